#include "bench/comm_bench.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "bench/forwarding_communicator.hpp"
#include "comm/thread_ranks.hpp"

namespace ganymede::bench {
namespace {

using testing::Each;
using testing::SizeIs;

std::vector<CommBenchRow> rows_of(comm::Communicator& communicator, CommOperation operation, at::ScalarType type, int64_t min_bytes, int64_t max_bytes) {
  CommBenchOptions options;
  options.operation = operation, options.type = type, options.min_bytes = min_bytes, options.max_bytes = max_bytes;
  options.iterations = 3, options.warmup = 1;
  std::vector<CommBenchRow> rows;
  bench_comm(options, communicator, [&](const CommBenchRow& row) { rows.push_back(row); });
  return rows;
}

constexpr CommOperation all_operations[] = {CommOperation::all_reduce, CommOperation::all_gather, CommOperation::broadcast, CommOperation::exchange};

/// A network that changes one number of each large message.
class LyingCommunicator final : public test::ForwardingCommunicator {
 public:
  using ForwardingCommunicator::ForwardingCommunicator;
  comm::Work all_reduce_sum_async(at::Tensor tensor, const std::string& name, Deadline deadline, comm::Channel channel) override {
    ForwardingCommunicator::all_reduce_sum_async(tensor, name, deadline, channel).wait();
    if (channel == comm::Channel::gradients) tensor[tensor.size(0) / 2] += 1e-3;
    return {};
  }
  at::Tensor all_gather(const at::Tensor& own, const std::string& name, Deadline deadline, comm::Channel channel) override {
    auto all = ForwardingCommunicator::all_gather(own, name, deadline, channel);
    if (channel == comm::Channel::statistics) all[size() - 1][0] += 1e-3;
    return all;
  }
  void broadcast(at::Tensor tensor, int root, const std::string& name, Deadline deadline, comm::Channel channel) override {
    ForwardingCommunicator::broadcast(tensor, root, name, deadline, channel);
    if (rank() != root) tensor[0] += 1e-3;
  }
  void exchange(const std::vector<at::Tensor>& outgoing, std::vector<at::Tensor>& incoming, const std::string& name, Deadline deadline, comm::Channel channel) override {
    ForwardingCommunicator::exchange(outgoing, incoming, name, deadline, channel);
    incoming[0][0] += 1e-3;
  }
};

}  // namespace

TEST(CommBench, AnswersAreRightForEachOperationAndType) {
  for (const int ranks : {1, 2, 3})
    comm::run_thread_ranks(ranks, [&](comm::Communicator& communicator) {
      for (const auto operation : all_operations)
        for (const auto type : {at::kFloat, at::kDouble, at::kLong, at::kBFloat16})
          for (const int64_t size : {8, 1000, 1 << 17}) {
            const auto row = rows_of(communicator, operation, type, size, size).at(0);
            EXPECT_EQ(row.wrong, 0) << name_of(operation) << ' ' << toString(type) << ' ' << row.size << " B on " << ranks;
            EXPECT_THAT(row.samples_us, SizeIs(ranks));
            EXPECT_THAT(row.samples_us, Each(SizeIs(3)));
          }
    });
}

TEST(CommBench, WrongAnswersAreCounted) {
  comm::run_thread_ranks(2, [&](comm::Communicator& communicator) {
    LyingCommunicator lying(communicator);
    for (const auto operation : all_operations) {
      const auto rows = rows_of(lying, operation, at::kFloat, 1 << 16, 1 << 16);
      EXPECT_EQ(rows.at(0).wrong, operation == CommOperation::broadcast ? 1 : 2) << name_of(operation);
    }
  });
}

TEST(CommBench, SizesAndBandwidthsMeanWhatTheyMeanInNcclTests) {
  comm::run_thread_ranks(4, [&](comm::Communicator& communicator) {
    const auto check = [&](CommOperation operation, int64_t count, double factor) {
      const auto row = rows_of(communicator, operation, at::kFloat, 4096, 4096).at(0);
      EXPECT_EQ(row.size, 4096);
      EXPECT_EQ(row.count, count);
      EXPECT_DOUBLE_EQ(row.alg_bw, 4096 / row.time_us / 1e3);
      EXPECT_DOUBLE_EQ(row.bus_bw, row.alg_bw * factor);
      EXPECT_LE(row.fastest_us, row.mean_us);
      EXPECT_LE(row.mean_us, row.time_us);
    };
    check(CommOperation::all_reduce, 1024, 1.5);
    check(CommOperation::all_gather, 256, 0.75);
    check(CommOperation::broadcast, 1024, 1.0);
    check(CommOperation::exchange, 256, 0.75);
    EXPECT_THAT(rows_of(communicator, CommOperation::all_reduce, at::kFloat, 8, 64), SizeIs(4));
  });
}

}  // namespace ganymede::bench
