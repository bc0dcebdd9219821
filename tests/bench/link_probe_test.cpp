#include "bench/link_probe.hpp"

#include <gmock/gmock.h>

#include <set>

#include "comm/thread_ranks.hpp"

namespace ganymede::bench {

TEST(Tournament, EveryPairMeetsOnceAndNobodyMeetsTwoAtATime) {
  for (int n = 0; n <= 13; ++n) {
    std::set<std::pair<int, int>> met;
    const auto rounds = tournament(n);
    EXPECT_EQ(static_cast<int>(rounds.size()), n < 2 ? std::max(0, n + n % 2 - 1) : n - 1 + n % 2);
    for (const auto& partners : rounds) {
      ASSERT_EQ(static_cast<int>(partners.size()), n);
      for (int i = 0; i < n; ++i) {
        if (partners[i] < 0) continue;
        EXPECT_EQ(partners[partners[i]], i);
        if (i < partners[i]) { EXPECT_TRUE(met.insert({i, partners[i]}).second) << n; }
      }
    }
    EXPECT_EQ(static_cast<int>(met.size()), n * (n - 1) / 2);
  }
}

TEST(Pairs, AreAllMeasuredAndTheSameOnEveryRank) {
  comm::run_thread_ranks(3, [](comm::Communicator& communicator) {
    const auto pairs = probe_pairs(communicator, 1 << 16, 30.0);
    ASSERT_EQ(pairs.size(), 3u);
    for (const auto& pair : pairs) {
      EXPECT_LT(pair.a, pair.b);
      EXPECT_GT(pair.gb_per_s, 0);
      EXPECT_GT(pair.latency_us, 0);
    }
  });
}

TEST(Clocks, OfOneMachineAgree) {
  comm::run_thread_ranks(3, [](comm::Communicator& communicator) {
    const auto clocks = probe_clocks(communicator, 30.0);
    ASSERT_EQ(clocks.size(), 3u);
    EXPECT_EQ(clocks[0].offset_ms, 0);
    for (int r = 1; r < 3; ++r) {
      EXPECT_GT(clocks[r].within_ms, 0);
      EXPECT_LE(std::abs(clocks[r].offset_ms), clocks[r].within_ms) << "the true offset is 0";
    }
  });
}

}  // namespace ganymede::bench
