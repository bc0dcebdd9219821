#include "bench/comm_bench.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "core/error.hpp"

namespace ganymede::bench {
namespace {

constexpr std::chrono::seconds longest_operation{60};

Deadline deadline() { return Deadline::in(longest_operation); }

// Element i of what `rank` gives: in [−1, 1), exact in float32; integers up to 2^20 for int64. A hash, so that no part looks like another.
at::Tensor values_of(int rank, int64_t begin, int64_t count, at::ScalarType type) {
  at::Tensor values = at::empty({count}, at::kDouble);
  auto* out = values.data_ptr<double>();
  for (int64_t i = 0; i < count; ++i) {
    uint64_t x = (static_cast<uint64_t>(begin + i) + 1) * 0x9e3779b97f4a7c15u + static_cast<uint64_t>(rank + 1) * 0xd1b54a32d192ed03u;
    x = (x ^ (x >> 31)) * 0xbf58476d1ce4e5b9u;
    out[i] = static_cast<double>(static_cast<int64_t>((x ^ (x >> 29)) >> 40) - (int64_t{1} << 23)) / static_cast<double>(int64_t{1} << 23);
  }
  return (type == at::kLong ? values * static_cast<double>(1 << 20) : values).to(type);
}

int64_t count_different(const at::Tensor& got, const at::Tensor& expected) { return got.ne(expected).sum().item<int64_t>(); }

// How far a sum of `ranks` values may lie from the float64 one: each addition rounds once, bfloat16 once more at the end.
at::Tensor allowed_error(const at::Tensor& sum, const at::Tensor& magnitude, int ranks, at::ScalarType type) {
  if (type == at::kLong) return at::zeros_like(sum);
  const double rounding = type == at::kDouble ? std::numeric_limits<double>::epsilon() : std::numeric_limits<float>::epsilon();
  const auto additions = magnitude * (rounding * ranks);
  return type == at::kBFloat16 ? additions + sum.abs() * 0x1p-8 : additions;
}

class Case {
 public:
  Case(const CommBenchOptions& options, int64_t size, comm::Communicator& communicator)
      : communicator_(communicator), type_(options.type), ranks_(communicator.size()), rank_(communicator.rank()) {
    const int64_t elements = std::max<int64_t>(1, size / static_cast<int64_t>(c10::elementSize(options.type)));
    const bool has_parts = options.operation == CommOperation::all_gather || options.operation == CommOperation::exchange;
    count_ = has_parts ? std::max<int64_t>(1, elements / ranks_) : elements;
    size_ = count_ * (has_parts ? ranks_ : 1) * static_cast<int64_t>(c10::elementSize(options.type));
  }
  virtual ~Case() = default;
  /// Before a run that is checked.
  virtual void fill() = 0;
  virtual void run() = 0;
  /// Elements of this rank that are not what they should be, after fill() and run().
  virtual int64_t wrong() const = 0;
  /// For runs that are only timed: sums of zeros stay zero however often they are taken.
  virtual void clear() {}
  int64_t count() const { return count_; }
  int64_t size() const { return size_; }

 protected:
  comm::Communicator& communicator_;
  at::ScalarType type_;
  int ranks_, rank_;
  int64_t count_, size_;
};

class AllReduceCase final : public Case {
 public:
  using Case::Case;
  void fill() override { tensor_ = values_of(rank_, 0, count_, type_); }
  void clear() override { tensor_.zero_(); }
  void run() override { communicator_.all_reduce_sum(tensor_, "bench all_reduce", deadline(), comm::Channel::gradients); }
  int64_t wrong() const override {
    constexpr int64_t block = 1 << 20;
    int64_t wrong = 0;
    for (int64_t begin = 0; begin < count_; begin += block) {
      const int64_t n = std::min(block, count_ - begin);
      auto sum = at::zeros({n}, at::kDouble), magnitude = at::zeros({n}, at::kDouble);
      for (int r = 0; r < ranks_; ++r) {
        const auto given = values_of(r, begin, n, type_).to(at::kDouble);
        sum += given, magnitude += given.abs();
      }
      const auto error = (tensor_.narrow(0, begin, n).to(at::kDouble) - sum).abs();
      wrong += error.le(allowed_error(sum, magnitude, ranks_, type_)).logical_not().sum().item<int64_t>();  // a NaN is wrong too
    }
    return wrong;
  }

 private:
  at::Tensor tensor_;
};

class BroadcastCase final : public Case {
 public:
  using Case::Case;
  void fill() override { tensor_ = values_of(rank_, 0, count_, type_); }
  void run() override { communicator_.broadcast(tensor_, 0, "bench broadcast", deadline()); }
  int64_t wrong() const override { return count_different(tensor_, values_of(0, 0, count_, type_)); }

 private:
  at::Tensor tensor_;
};

class AllGatherCase final : public Case {
 public:
  using Case::Case;
  void fill() override { own_ = values_of(rank_, 0, count_, type_); }
  void run() override { all_ = communicator_.all_gather(own_, "bench all_gather", deadline()); }
  int64_t wrong() const override {
    int64_t wrong = 0;
    for (int r = 0; r < ranks_; ++r) wrong += count_different(all_[r], values_of(r, 0, count_, type_));
    return wrong;
  }

 private:
  at::Tensor own_, all_;
};

class ExchangeCase final : public Case {
 public:
  using Case::Case;
  void fill() override {
    outgoing_.clear(), incoming_.clear();
    for (int r = 0; r < ranks_; ++r) {
      outgoing_.push_back(values_of(rank_, r * count_, count_, type_));
      incoming_.push_back(at::zeros({count_}, at::TensorOptions(type_)));
    }
  }
  void run() override { communicator_.exchange(outgoing_, incoming_, "bench exchange", deadline()); }
  int64_t wrong() const override {
    int64_t wrong = 0;
    for (int r = 0; r < ranks_; ++r) wrong += count_different(incoming_[r], values_of(r, rank_ * count_, count_, type_));
    return wrong;
  }

 private:
  std::vector<at::Tensor> outgoing_, incoming_;
};

std::unique_ptr<Case> make_case(const CommBenchOptions& options, int64_t size, comm::Communicator& communicator) {
  switch (options.operation) {
    case CommOperation::all_reduce: return std::make_unique<AllReduceCase>(options, size, communicator);
    case CommOperation::all_gather: return std::make_unique<AllGatherCase>(options, size, communicator);
    case CommOperation::broadcast: return std::make_unique<BroadcastCase>(options, size, communicator);
    case CommOperation::exchange: return std::make_unique<ExchangeCase>(options, size, communicator);
  }
  throw Error(Fault::bug, "an unknown operation");
}

double bus_factor(CommOperation operation, int ranks) {
  const double others = static_cast<double>(ranks - 1) / ranks;
  switch (operation) {
    case CommOperation::all_reduce: return 2 * others;
    case CommOperation::broadcast: return 1;
    default: return others;
  }
}

CommBenchRow measure(const CommBenchOptions& options, int64_t size, comm::Communicator& communicator) {
  const auto one = make_case(options, size, communicator);
  one->fill();
  one->run();
  auto wrong = at::full({1}, one->wrong(), at::kLong);
  one->clear();
  communicator.all_reduce_sum(wrong, "wrong elements", deadline(), comm::Channel::control);
  for (int64_t i = 0; i < options.warmup; ++i) one->run();
  communicator.barrier("before the clock", deadline());
  std::vector<double> own;
  for (int64_t i = 0; i < options.iterations; ++i) {
    const auto start = Clock::now();
    one->run();
    own.push_back(us_since(start));
  }
  CommBenchRow row;
  row.size = one->size(), row.count = one->count(), row.wrong = wrong.item<int64_t>();
  row.samples_us = gather_samples(communicator, own, deadline());
  const auto means = spread_of(means_of(row.samples_us));
  row.time_us = means.max, row.fastest_us = means.min, row.mean_us = means.mean;
  row.alg_bw = static_cast<double>(row.size) / (row.time_us * 1e3);
  row.bus_bw = row.alg_bw * bus_factor(options.operation, communicator.size());
  return row;
}

}  // namespace

const char* name_of(CommOperation operation) {
  switch (operation) {
    case CommOperation::all_reduce: return "all_reduce";
    case CommOperation::all_gather: return "all_gather";
    case CommOperation::broadcast: return "broadcast";
    case CommOperation::exchange: return "exchange";
  }
  return "unknown";
}

bool is_in_place(CommOperation operation) { return operation == CommOperation::all_reduce || operation == CommOperation::broadcast; }

void bench_comm(const CommBenchOptions& options, comm::Communicator& communicator, const std::function<void(const CommBenchRow&)>& on_row) {
  for (int64_t size = options.min_bytes; size <= options.max_bytes; size *= 2) on_row(measure(options, size, communicator));
}

}  // namespace ganymede::bench
