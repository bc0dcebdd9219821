#include "train/rank_times.hpp"

#include <gtest/gtest.h>

namespace ganymede::train {
namespace {

TEST(RankTimes, LowerMedianAndSlowest) {
  const auto two = compare({10, 40});
  EXPECT_EQ(two.median_ms, 10);
  EXPECT_EQ(two.slowest, 1);
  EXPECT_EQ(two.skew(), 4);
  EXPECT_EQ(compare({12, 10, 11}).median_ms, 11);
  EXPECT_EQ(compare({5}).skew(), 1);
}

TEST(RankTimes, OnlyAHostThatStaysSlowIsNamedAndOnce) {
  SlowRankWatch watch({"a", "b", "c"});
  EXPECT_FALSE(watch.see(1, compare({10, 40, 10})));
  EXPECT_FALSE(watch.see(2, compare({10, 40, 10})));
  EXPECT_FALSE(watch.see(3, compare({40, 10, 10}))) << "another rank this time";
  EXPECT_FALSE(watch.see(4, compare({10, 10, 40})));
  EXPECT_FALSE(watch.see(5, compare({10, 10, 40})));
  const auto text = watch.see(6, compare({10, 10, 40}));
  ASSERT_TRUE(text);
  EXPECT_NE(text->find("rank 2 on c has been slow"), std::string::npos) << *text;
  EXPECT_FALSE(watch.see(7, compare({10, 10, 40})));
  for (int64_t step = 8; step < 20; ++step) EXPECT_FALSE(watch.see(step, compare({10, 10, 14.9}))) << "within the factor";
}

}  // namespace
}  // namespace ganymede::train
