// Virtual ranks: several ranks of one process behave as ranks of their own, whatever the number of processes; here a process is a
// thread rank with threads of its own.
#include "comm/virtual_ranks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include <atomic>
#include <random>

#include "comm/communicator_checks.hpp"
#include "comm/solo.hpp"
#include "comm/thread_ranks.hpp"

namespace ganymede {
namespace {

using comm::Communicator;
using ::testing::HasSubstr;

struct Layout {
  int processes, ranks;
};

class VirtualRanks : public ::testing::TestWithParam<Layout> {
 protected:
  void run(const std::function<void(Communicator&)>& body) {
    comm::run_thread_ranks(GetParam().processes, [&](Communicator& processes) { comm::run_virtual_ranks(processes, GetParam().ranks, body); });
  }
};
INSTANTIATE_TEST_SUITE_P(Layouts, VirtualRanks, ::testing::Values(Layout{1, 4}, Layout{2, 4}, Layout{4, 4}, Layout{3, 6}, Layout{1, 1}, Layout{1, 8}));

TEST_P(VirtualRanks, Sums) { run(test::check_sums); }
TEST_P(VirtualRanks, StatisticsAmongGradients) { run(test::check_statistics_among_gradients); }
TEST_P(VirtualRanks, GatherBroadcastBarrier) { run(test::check_gather_broadcast_barrier); }
TEST_P(VirtualRanks, Exchange) { run(test::check_exchange); }
TEST_P(VirtualRanks, Texts) { run(test::check_texts); }

TEST_P(VirtualRanks, RanksAreNumberedByProcess) {
  std::atomic<int> seen{0};
  run([&](Communicator& comm) {
    EXPECT_EQ(comm.size(), GetParam().ranks);
    EXPECT_EQ(static_cast<int>(comm.hosts().size()), GetParam().ranks);
    seen |= 1 << comm.rank();
  });
  EXPECT_EQ(seen, (1 << GetParam().ranks) - 1);
}

// Whoever fails, all end, and the failure that is thrown is the one that began it.
TEST_P(VirtualRanks, AFailureEndsAll) {
  for (int failing = 0; failing < GetParam().ranks; ++failing) {
    try {
      run([&](Communicator& comm) {
        comm.barrier("before", test::soon());
        if (comm.rank() == failing) throw Error(Fault::numeric, "virtual rank {} broke", failing);
        if (comm.size() > 1) comm.barrier("after", test::soon());
      });
      FAIL() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("broke"));
      EXPECT_EQ(error.exit_code(), static_cast<int>(Fault::numeric));
    }
  }
}

TEST(VirtualRanksErrors, ALayoutMustFit) {
  const auto solo = comm::solo();
  EXPECT_THROW(comm::run_virtual_ranks(*solo, 3, [](Communicator&) {}), Error);
  EXPECT_THROW(comm::run_virtual_ranks(*solo, 0, [](Communicator&) {}), Error);
}

TEST(VirtualRanksErrors, DifferentCallsAtOnePlaceAreNamed) {
  const auto solo = comm::solo();
  try {
    comm::run_virtual_ranks(*solo, 2, [](Communicator& comm) { comm.barrier(comm.rank() == 0 ? "this" : "that", test::soon()); });
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("at the same place"));
  }
}

}  // namespace
}  // namespace ganymede
