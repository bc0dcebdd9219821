#include "comm/learned_deadlines.hpp"

#include <gtest/gtest.h>

namespace ganymede::comm {
namespace {

Deadline longest() { return Deadline::in(std::chrono::duration<double>(300.0)); }

LearnedDeadlines in_step(double floor_s) {
  LearnedDeadlines deadlines;
  deadlines.set_floor(floor_s);
  deadlines.enter(Section::step);
  return deadlines;
}

TEST(Percentile, IsTheEdgeAboveIt) {
  Percentile times;
  EXPECT_EQ(times.p99_s(), 0);
  for (int i = 0; i < 990; ++i) times.add(0.001);
  for (int i = 0; i < 9; ++i) times.add(2.0);
  EXPECT_NEAR(times.p99_s(), 0.001, 0.0001);
  for (int i = 0; i < 9; ++i) times.add(2.0);  // now more than one in a hundred
  EXPECT_NEAR(times.p99_s(), 2.0, 0.19);
}

TEST(Percentile, ForgetsWhatIsLongAgo) {
  Percentile times;
  for (int i = 0; i < 8000; ++i) times.add(5.0);
  for (int i = 0; i < 200000; ++i) times.add(0.01);
  EXPECT_LT(times.p99_s(), 0.012);
}

TEST(LearnedDeadlines, AreTheCallersUntilEnoughIsKnown) {
  LearnedDeadlines deadlines = in_step(30);
  for (int64_t i = 0; i + 1 < LearnedDeadlines::enough; ++i) deadlines.observe(Section::step, 0.001);
  EXPECT_EQ(deadlines.tighten(longest()).span_s(), 300);
  deadlines.observe(Section::step, 0.001);
  EXPECT_EQ(deadlines.tighten(longest()).span_s(), 30);
}

TEST(LearnedDeadlines, FollowTenTimesThePercentileUpToTheCallers) {
  LearnedDeadlines deadlines = in_step(30);
  for (int i = 0; i < 200; ++i) deadlines.observe(Section::step, 5.0);
  EXPECT_NEAR(deadlines.tighten(longest()).span_s(), 50, 5);
  for (int i = 0; i < 200; ++i) deadlines.observe(Section::step, 60.0);
  EXPECT_EQ(deadlines.tighten(longest()).span_s(), 300);
  EXPECT_EQ(deadlines.tighten(Deadline::in(std::chrono::duration<double>(2.0))).span_s(), 2);
}

TEST(LearnedDeadlines, OfASaveComeFromSavesThatHaveEnded) {
  LearnedDeadlines deadlines = in_step(30);
  for (int i = 0; i < 200; ++i) deadlines.observe(Section::step, 0.001);
  deadlines.enter(Section::save);
  deadlines.observe(Section::save, 0.001);
  EXPECT_EQ(deadlines.tighten(longest()).span_s(), 300) << "the slow part of the first save may be still to come";
  deadlines.observe(Section::save, 8.0);
  deadlines.enter(Section::step);
  EXPECT_EQ(deadlines.tighten(longest()).span_s(), 30) << "a step knows nothing of saves";
  deadlines.enter(Section::save);
  EXPECT_EQ(deadlines.tighten(longest()).span_s(), 80);
}

TEST(LearnedDeadlines, AreNotLearnedUnlessAskedFor) {
  LearnedDeadlines deadlines;
  deadlines.enter(Section::step);
  for (int i = 0; i < 200; ++i) deadlines.observe(Section::step, 0.001);
  EXPECT_EQ(deadlines.tighten(longest()).span_s(), 300);
}

}  // namespace
}  // namespace ganymede::comm
