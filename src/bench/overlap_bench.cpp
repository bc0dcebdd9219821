#include "bench/overlap_bench.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace ganymede::bench {
namespace {

constexpr std::chrono::seconds longest_operation{60};
constexpr int64_t side = 128;  // of the matrices: 40 µs a product on one core, so that the time is filled to within a few per cent

Deadline deadline() { return Deadline::in(longest_operation); }

// One row's gradient and products.
class Race {
 public:
  Race(int64_t bytes, int64_t bucket_bytes, comm::Communicator& communicator)
      : communicator_(communicator), gradient_(at::zeros({std::max<int64_t>(1, bytes / 4)}, at::kFloat)), left_(at::full({side, side}, 1.0 / side, at::kFloat)),
        right_(at::full({side, side}, 1.0, at::kFloat)), out_(at::empty({side, side}, at::kFloat)) {
    const int64_t most = std::max<int64_t>(1, bucket_bytes / 4);
    for (int64_t begin = 0; begin < gradient_.numel(); begin += most) buckets_.push_back(gradient_.narrow(0, begin, std::min(most, gradient_.numel() - begin)));
  }

  at::Tensor& gradient() { return gradient_; }
  void start() {
    for (const auto& bucket : buckets_) works_.push_back(communicator_.all_reduce_sum_async(bucket, "bench overlap", deadline(), comm::Channel::gradients));
  }
  void wait() {
    for (const auto& work : works_) work.wait();
    works_.clear();
  }
  void compute(int64_t products) {
    for (int64_t i = 0; i < products; ++i) at::mm_out(out_, left_, right_);
  }
  double pure_us() {
    const auto begin = Clock::now();
    start(), wait();
    return us_since(begin);
  }
  double compute_us(int64_t products) {
    const auto begin = Clock::now();
    compute(products);
    return us_since(begin);
  }
  double overall_us(int64_t products) {
    const auto begin = Clock::now();
    start(), compute(products), wait();
    return us_since(begin);
  }

 private:
  comm::Communicator& communicator_;
  at::Tensor gradient_, left_, right_, out_;
  std::vector<at::Tensor> buckets_;
  std::vector<comm::Work> works_;
};

int64_t count_wrong(Race& race, comm::Communicator& communicator) {
  const int n = communicator.size();
  race.gradient().fill_(communicator.rank() + 1.0);
  race.start();
  race.compute(4);
  race.wait();
  auto wrong = race.gradient().ne(n * (n + 1) / 2.0).sum();
  communicator.all_reduce_sum(wrong, "wrong elements", deadline(), comm::Channel::control);
  race.gradient().zero_();
  return wrong.item<int64_t>();
}

// How many products fill `ratio` times the all-reduce; the same number on every rank: the slowest needs least.
int64_t choose_products(Race& race, double ratio, comm::Communicator& communicator) {
  constexpr int tries = 7;
  std::vector<double> pure, compute;
  for (int i = 0; i < tries; ++i) {
    communicator.barrier("calibrating", deadline());
    pure.push_back(race.pure_us());
    compute.push_back(race.compute_us(20) / 20);
  }
  const auto all = communicator.all_gather(at::tensor({quantile(pure, .5), quantile(compute, .5)}, at::kDouble), "calibration", deadline(), comm::Channel::control);
  const double wanted = ratio * all.select(1, 0).mean().item<double>() / all.select(1, 1).mean().item<double>();
  return std::max<int64_t>(1, std::llround(wanted));
}

double mean_over_all(const SamplesOfRanks& samples) { return spread_of(means_of(samples)).mean; }

OverlapBenchRow measure(const OverlapBenchOptions& options, int64_t bytes, comm::Communicator& communicator) {
  Race race(bytes, options.bucket_bytes, communicator);
  OverlapBenchRow row;
  row.size = race.gradient().numel() * 4;
  row.wrong = count_wrong(race, communicator);
  row.products = choose_products(race, options.compute_ratio, communicator);
  std::vector<double> pure, compute, overall;
  // The three in turn, so that a machine that slows down slows all of them.
  for (int64_t i = -options.warmup; i < options.iterations; ++i) {
    communicator.barrier("pure", deadline());
    const double p = race.pure_us();
    communicator.barrier("compute", deadline());
    const double c = race.compute_us(row.products);
    communicator.barrier("overall", deadline());
    const double o = race.overall_us(row.products);
    if (i >= 0) pure.push_back(p), compute.push_back(c), overall.push_back(o);
  }
  row.pure_samples_us = gather_samples(communicator, pure, deadline());
  row.compute_samples_us = gather_samples(communicator, compute, deadline());
  row.overall_samples_us = gather_samples(communicator, overall, deadline());
  row.pure_us = mean_over_all(row.pure_samples_us), row.compute_us = mean_over_all(row.compute_samples_us);
  row.overall_us = mean_over_all(row.overall_samples_us);
  row.overlap_percent = overlap_percent(row.overall_us, row.compute_us, row.pure_us);
  return row;
}

}  // namespace

double overlap_percent(double overall, double compute, double pure) {
  if (pure <= 0) return 0;
  return std::clamp(100.0 * (1.0 - (overall - compute) / pure), 0.0, 100.0);
}

void bench_overlap(const OverlapBenchOptions& options, comm::Communicator& communicator, const std::function<void(const OverlapBenchRow&)>& on_row) {
  for (int64_t bytes = options.min_bytes; bytes <= options.max_bytes; bytes *= 4) on_row(measure(options, bytes, communicator));
}

}  // namespace ganymede::bench
