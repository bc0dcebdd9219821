// The engine with ranks as threads; solo where there is one.
#include "comm/thread_ranks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include <atomic>
#include <chrono>
#include <random>

#include "comm/communicator_checks.hpp"
#include "comm/solo.hpp"

namespace ganymede {

using namespace std::chrono_literals;
using comm::Channel;
using comm::Communicator;
using ::testing::HasSubstr;
using ::testing::Not;

class ThreadRanks : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Sizes, ThreadRanks, ::testing::Values(1, 2, 3, 4, 7));

TEST_P(ThreadRanks, Sums) { comm::run_thread_ranks(GetParam(), test::check_sums); }
TEST_P(ThreadRanks, StatisticsAmongGradients) { comm::run_thread_ranks(GetParam(), test::check_statistics_among_gradients); }
TEST_P(ThreadRanks, ManyOutstanding) { comm::run_thread_ranks(GetParam(), test::check_many_outstanding); }
TEST_P(ThreadRanks, GatherBroadcastBarrier) { comm::run_thread_ranks(GetParam(), test::check_gather_broadcast_barrier); }
TEST_P(ThreadRanks, Exchange) { comm::run_thread_ranks(GetParam(), test::check_exchange); }
TEST_P(ThreadRanks, Texts) { comm::run_thread_ranks(GetParam(), test::check_texts); }
TEST_P(ThreadRanks, Split) { comm::run_thread_ranks(GetParam(), test::check_split); }
TEST_P(ThreadRanks, Traffic) { comm::run_thread_ranks(GetParam(), test::check_traffic); }
TEST_P(ThreadRanks, RandomProgram) {
  const uint64_t seed = std::random_device()();
  comm::run_thread_ranks(GetParam(), [&](Communicator& comm) { test::check_random_program(comm, seed); });
}
TEST_P(ThreadRanks, EndsInAnOrderlyWay) {
  comm::run_thread_ranks(GetParam(), [](Communicator& comm) {
    comm.shut_down(Deadline::in(30s));
    if (comm.size() == 1) return;  // a barrier of one is nothing
    EXPECT_THROW(comm.barrier("after the end", Deadline::in(1s)), Error);
  });
}

TEST(Solo, IsTheIdentity) {
  const auto solo = comm::solo();
  at::Tensor x = at::arange(5, at::kFloat);
  solo->all_reduce_sum(x, "sum", Deadline::in(1s));
  EXPECT_TRUE(at::equal(x, at::arange(5, at::kFloat)));
  EXPECT_EQ(solo->backend(), "solo");
  EXPECT_EQ(solo->traffic().total_bytes(), 0);
  test::check_sums(*solo);
  test::check_gather_broadcast_barrier(*solo);
  test::check_exchange(*solo);
  test::check_texts(*solo);
  test::check_split(*solo);
}

/// The Error that `body` ends with, run on `size` ranks.
Error failure_of(int size, const std::function<void(Communicator&)>& body) {
  try {
    comm::run_thread_ranks(size, body);
  } catch (const Error& error) {
    return error;
  }
  throw std::logic_error("nothing was thrown");
}

TEST(Failure, ReachesRanksThatWait) {
  std::atomic<int> told{0};
  const Error error = failure_of(3, [&](Communicator& comm) {
    if (comm.rank() == 1) throw Error(Fault::bad_data, "shard 7 is cut").remedy("copy it again");
    at::Tensor x = at::ones({100000});
    try {
      comm.all_reduce_sum(x, "never whole", Deadline::in(60s));
    } catch (const comm::PeerError& echo) {
      EXPECT_EQ(echo.fault(), Fault::bad_data);
      EXPECT_THAT(echo.what(), HasSubstr("rank 1 on " + comm.hosts()[1] + ": shard 7 is cut\n  remedy: copy it again"));
      EXPECT_THROW(comm.check_peers(), comm::PeerError);
      EXPECT_THROW(comm.barrier("later", Deadline::in(60s)), comm::PeerError);
      ++told;
      throw;
    }
  });
  EXPECT_EQ(told, 2);
  EXPECT_EQ(error.fault(), Fault::bad_data);
  EXPECT_STREQ(error.what(), "shard 7 is cut\n  remedy: copy it again");
}

TEST(Failure, ReachesRanksThatCompute) {
  std::atomic<int> told{0};
  const Error error = failure_of(2, [&](Communicator& comm) {
    if (comm.rank() == 0) throw Error(Fault::numeric, "loss is NaN");
    const Deadline deadline = Deadline::in(30s);
    while (!deadline.has_passed()) {
      try {
        comm.check_peers();
      } catch (const comm::PeerError&) {
        ++told;
        throw;
      }
    }
  });
  EXPECT_EQ(told, 1);
  EXPECT_EQ(error.fault(), Fault::numeric);
}

TEST(Failure, OfAnyOtherTypeIsABug) {
  std::atomic<int> code{0};
  EXPECT_THROW(comm::run_thread_ranks(2, [&](Communicator& comm) {
    if (comm.rank() == 1) throw std::out_of_range("index 3");
    try {
      comm.barrier("wait", Deadline::in(60s));
    } catch (const comm::PeerError& error) {
      code = error.exit_code();
      EXPECT_THAT(error.what(), HasSubstr("index 3"));
      throw;
    }
  }), std::out_of_range);
  EXPECT_EQ(code, 70);
}

TEST(Failure, PassedDeadlineNamesOperationAndMissingRank) {
  const Error error = failure_of(3, [](Communicator& comm) {
    at::Tensor x = at::ones({1 << 20});
    // Rank 2 does not come; it waits for the failure instead.
    if (comm.rank() == 2) comm.barrier("something else", Deadline::in(60s));
    if (comm.rank() == 1) comm.all_reduce_sum(x, "discriminator bucket 2", Deadline::in(60s), Channel::gradients);
    if (comm.rank() == 0) comm.all_reduce_sum(x, "discriminator bucket 2", Deadline::in(0.3s), Channel::gradients);
  });
  EXPECT_EQ(error.fault(), Fault::peer);
  EXPECT_THAT(error.what(), HasSubstr("all_reduce 'discriminator bucket 2' (4.0 MiB of Float) passed its deadline of 0.3 s\n  cause: rank 2 on "));
  EXPECT_THAT(error.what(), HasSubstr("never arrived"));
  EXPECT_THAT(error.what(), Not(HasSubstr("rank 1")));
}

TEST(Failure, MismatchNamesBothCalls) {
  struct Case {
    int64_t elements[2];
    const char* names[2];
  };
  for (const Case& one : {Case{{10, 11}, {"x", "x"}}, Case{{10, 100000}, {"x", "x"}}, Case{{100000, 10}, {"x", "x"}}, Case{{100000, 100001}, {"x", "x"}},
                          Case{{10, 10}, {"first", "second"}}}) {
    const Error error = failure_of(2, [&](Communicator& comm) {
      at::Tensor x = at::ones({one.elements[comm.rank()]}, at::kDouble);
      comm.all_reduce_sum(x, one.names[comm.rank()], Deadline::in(60s));
    });
    EXPECT_EQ(error.fault(), Fault::peer);
    EXPECT_THAT(error.what(), HasSubstr(std::string("all_reduce '") + one.names[0]));
    EXPECT_THAT(error.what(), HasSubstr(std::string("all_reduce '") + one.names[1]));
    EXPECT_THAT(error.what(), HasSubstr("does not fit the other ranks"));
  }
}

TEST(Failure, MismatchOfTypesAndKinds) {
  EXPECT_EQ(failure_of(2, [](Communicator& comm) {
    at::Tensor x = at::ones({8}, comm.rank() == 0 ? at::kLong : at::kDouble);
    comm.all_reduce_sum(x, "x", Deadline::in(60s));
  }).fault(), Fault::peer);
  EXPECT_EQ(failure_of(2, [](Communicator& comm) {
    at::Tensor x = at::ones({8}, at::kDouble);
    if (comm.rank() == 0) comm.all_reduce_sum(x, "x", Deadline::in(60s));
    if (comm.rank() == 1) comm.all_gather(x, "x", Deadline::in(60s));
  }).fault(), Fault::peer);
}

TEST(Failure, WrongArgumentsFailWhereTheyAre) {
  const auto solo = comm::solo();
  EXPECT_THROW(solo->all_reduce_sum(at::ones({3}, at::kInt), "of int32", Deadline::in(1s)), Error);
  EXPECT_THROW(solo->all_reduce_sum(at::ones({3, 4}).t(), "not contiguous", Deadline::in(1s)), Error);
  EXPECT_THROW(solo->broadcast(at::ones({3}), 1, "from nobody", Deadline::in(1s)), Error);
}

}  // namespace ganymede
