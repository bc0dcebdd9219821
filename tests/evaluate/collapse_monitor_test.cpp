#include "evaluate/collapse_monitor.hpp"

#include <gtest/gtest.h>

#include <string_view>

#include "core/error.hpp"

namespace ganymede::evaluate {
namespace {

using enum Indicator;

Levels all_quiet() {
  Levels levels;
  levels.fill(Level::none);
  return levels;
}

Levels with(Indicator indicator, Level level) {
  auto levels = all_quiet();
  levels[static_cast<size_t>(indicator)] = level;
  return levels;
}

CollapseMonitor taught() {
  CollapseMonitor monitor;
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(monitor.is_learning());
    monitor.see(all_quiet());
  }
  EXPECT_FALSE(monitor.is_learning());
  return monitor;
}

// One check a mark, '1' a hit of `level`; the states after each, as o, w and c.
std::string play(CollapseMonitor& monitor, std::string_view marks, Indicator indicator, Level level) {
  std::string states;
  for (const char mark : marks) states += "owc"[static_cast<size_t>(monitor.see(mark == '1' ? with(indicator, level) : all_quiet()))];
  return states;
}

// gan-systems, section 25.
TEST(CollapseMonitor, FollowsTheScripts) {
  auto monitor = taught();
  EXPECT_EQ(play(monitor, "1101", diversity, Level::warn), "ooow");
  EXPECT_EQ(play(monitor, "000000", diversity, Level::warn), "wwwwwo");
  monitor = taught();
  EXPECT_EQ(play(monitor, "111011", two_sample, Level::collapse), "oowwwc");
  EXPECT_EQ(play(monitor, "000000", two_sample, Level::collapse), "ccccco");
}

TEST(CollapseMonitor, NeedsSixCleanChecksInARowToRecover) {
  auto monitor = taught();
  play(monitor, "111", stddev, Level::warn);
  EXPECT_EQ(play(monitor, "000001000000", gradients, Level::warn), "wwwwwwwwwwwo");
}

TEST(CollapseMonitor, WarnsOfOneIndicatorNotOfThree) {
  auto monitor = taught();
  for (const auto indicator : {stddev, gradients, forgetting, stddev, gradients, forgetting})
    EXPECT_EQ(monitor.see(with(indicator, Level::warn)), CollapseState::ok);
}

// Only some indicators can say collapsed; together they count as one, and duplicates at any level.
TEST(CollapseMonitor, CollapsesByTheseIndicatorsAlone) {
  for (const auto& [indicator, level, expected] :
       {std::tuple{diversity, Level::collapse, 'c'}, std::tuple{classes, Level::collapse, 'c'},
        std::tuple{two_sample, Level::collapse, 'c'}, std::tuple{coverage, Level::collapse, 'c'},
        std::tuple{duplicates, Level::warn, 'c'}, std::tuple{d_wins, Level::warn, 'w'},
        std::tuple{stddev, Level::warn, 'w'}, std::tuple{coverage, Level::warn, 'w'}}) {
    auto monitor = taught();
    EXPECT_EQ(play(monitor, "111111", indicator, level).back(), expected) << static_cast<size_t>(indicator);
  }
  auto monitor = taught();
  for (const auto indicator : {diversity, classes, two_sample, coverage}) monitor.see(with(indicator, Level::collapse));
  EXPECT_EQ(monitor.see(with(duplicates, Level::warn)), CollapseState::collapsed);
}

TEST(CollapseMonitor, WindowsSkipChecksWithoutAMeasurement) {
  auto monitor = taught();
  auto unmeasured = all_quiet();
  unmeasured[static_cast<size_t>(classes)].reset();
  EXPECT_EQ(play(monitor, "11", classes, Level::warn), "oo");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(monitor.see(unmeasured), CollapseState::ok);
  EXPECT_EQ(play(monitor, "1", classes, Level::warn), "w");
}

TEST(Learning, BeginsAnewWithEachCollapseLevelHit) {
  CollapseMonitor monitor;
  play(monitor, "00001", coverage, Level::collapse);
  play(monitor, "0000", coverage, Level::collapse);
  EXPECT_TRUE(monitor.is_learning());
  play(monitor, "1", coverage, Level::warn);  // a warning is calm
  EXPECT_FALSE(monitor.is_learning());
}

// Hits while learning are not counted; check 40 ends it, and 5 of the next 6 tell.
TEST(Learning, EndsWithCheckForty) {
  CollapseMonitor monitor;
  for (int i = 1; i <= 40; ++i) {
    EXPECT_TRUE(monitor.is_learning());
    EXPECT_EQ(monitor.see(with(two_sample, Level::collapse)), CollapseState::ok);
  }
  EXPECT_FALSE(monitor.is_learning());
  EXPECT_EQ(play(monitor, "11111", two_sample, Level::collapse), "oowwc");
}

// Saved after every check, taken back by another: all windows go along.
TEST(CollapseMonitor, GoesOnWhereItWasSaved) {
  CollapseMonitor whole, parts;
  const std::string_view marks = "0010000011010000001110110000001111";
  for (const char mark : marks) {
    const auto levels = mark == '1' ? with(coverage, Level::collapse) : all_quiet();
    State state;
    parts.save(state, "monitor");
    CollapseMonitor next;
    next.load(state, "monitor");
    parts = next;
    EXPECT_EQ(whole.see(levels), parts.see(levels)) << whole.checks();
    EXPECT_EQ(whole.is_learning(), parts.is_learning()) << whole.checks();
  }
  EXPECT_EQ(parts.checks(), static_cast<int64_t>(marks.size()));
  EXPECT_THROW(parts.load(State{}, "monitor"), Error);
}

}  // namespace
}  // namespace ganymede::evaluate
