#include "evaluate/collapse_check.hpp"

#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "evaluate/mixtures.hpp"

namespace ganymede::evaluate {
namespace {

constexpr int64_t samples = 512;
const MixtureModel mixture = test::ring();

// A layer with fixed weights stands for D's.
at::Tensor features(const at::Tensor& x) {
  static const auto weights = Rng(5).normal({.purpose = Purpose::init}, 0, 2, 64).to(at::kFloat);
  return at::leaky_relu(at::matmul(x, weights), 0.2);
}

CheckSamples check_of(const at::Tensor& fakes, uint64_t seed) {
  const auto reals = test::draw(mixture, 2 * samples, 1'000'000 + seed).to(at::kFloat);
  CheckSamples s;
  s.y = fakes.to(at::kFloat), s.r = reals.slice(0, 0, samples), s.r2 = reals.slice(0, samples);
  s.y_features = features(s.y), s.r_features = features(s.r), s.r2_features = features(s.r2);
  return s;
}

at::Tensor fakes_on(int64_t modes, uint64_t seed) {
  return test::draw(test::of_centres(mixture.centres.slice(0, 0, modes), 0.1), samples, seed);
}

Level level_of(const CheckReport& report, Indicator indicator) { return report.levels[static_cast<size_t>(indicator)].value(); }

double value_of(const CheckReport& report, std::string_view name) {
  for (const auto& [key, value] : report.keys)
    if (key == name) return value;
  ADD_FAILURE() << "no key " << name;
  return std::numeric_limits<double>::quiet_NaN();
}

// gan-systems, section 25: reals in place of fakes never hit diversity, two_sample or coverage.
TEST(CollapseCheck, IsQuietOnReals) {
  CollapseCheck check(mixture.centres);
  for (uint64_t i = 0; i < 1000; ++i) {
    const auto report = check.run(check_of(test::draw(mixture, samples, i), i));
    for (const auto indicator : {Indicator::diversity, Indicator::two_sample, Indicator::coverage})
      ASSERT_EQ(level_of(report, indicator), Level::none) << "check " << i << ", indicator " << static_cast<size_t>(indicator);
    ASSERT_EQ(report.state, CollapseState::ok);
    ASSERT_EQ(report.is_learning, i < 4);
  }
}

TEST(CollapseCheck, SeesIdenticalFakesWithinSixChecksOfLearning) {
  CollapseCheck check(mixture.centres);
  const auto one = mixture.centres.slice(0, 0, 1).repeat({samples, 1});
  CheckReport report;
  uint64_t checks = 0;
  for (report = check.run(check_of(one, checks)); report.is_learning; report = check.run(check_of(one, checks))) ++checks;
  for (int after = 1; after <= 6; ++after) report = check.run(check_of(one, checks + after));
  EXPECT_EQ(report.state, CollapseState::collapsed);
  EXPECT_EQ(value_of(report, "collapse_state"), 2);
  for (const auto indicator : {Indicator::diversity, Indicator::two_sample, Indicator::coverage})
    EXPECT_EQ(level_of(report, indicator), Level::collapse);
  for (const auto indicator : {Indicator::duplicates, Indicator::stddev}) EXPECT_EQ(level_of(report, indicator), Level::warn);
  EXPECT_NEAR(value_of(report, "collapse_duplicates"), 1.0, 0.05);
  EXPECT_NEAR(value_of(report, "collapse_lost"), 0.875, 0.06);
}

// A run that was healthy and then keeps 2 of 8 modes: collapsed within 6 checks; with 5 of 8 it warns.
TEST(CollapseCheck, SeesModesGo) {
  for (const auto& [modes, expected] : {std::pair{int64_t{2}, CollapseState::collapsed}, std::pair{int64_t{5}, CollapseState::warn}}) {
    CollapseCheck check(mixture.centres);
    for (uint64_t i = 0; i < 10; ++i) check.run(check_of(test::draw(mixture, samples, i), i));
    CheckReport report;
    for (uint64_t i = 10; i < 16; ++i) report = check.run(check_of(fakes_on(modes, i), i));
    EXPECT_EQ(report.state, expected) << modes << " modes left";
  }
}

// The partition sees what the spread cannot: every second mode of the ring keeps it. A kernel as wide as the ring hardly sees it either.
TEST(CollapseCheck, SeesLossesThatLeaveTheSpread) {
  CollapseCheck check(mixture.centres);
  const auto every_second = test::of_centres(mixture.centres.slice(0, 0, 8, 2), 0.1);
  const auto report = check.run(check_of(test::draw(every_second, samples, 1), 1));
  EXPECT_EQ(level_of(report, Indicator::diversity), Level::none);
  EXPECT_NEAR(value_of(report, "collapse_diversity_data"), 1.0, 0.05);
  EXPECT_LT(value_of(report, "collapse_mmd_data"), 0.1);
  EXPECT_GE(level_of(report, Indicator::coverage), Level::warn);
  EXPECT_NEAR(value_of(report, "collapse_lost"), 0.5, 0.08);
}

// D's features alone do not make a hit: where the data agree, a D that tells them apart is winning, not a sign of collapse.
TEST(CollapseCheck, NeedsTheDataToAgreeWithTheFeatures) {
  CollapseCheck check(mixture.centres);
  auto s = check_of(test::draw(mixture, samples, 1), 1);
  s.y_features = s.y_features * 0.3 + 5.0;
  const auto report = check.run(s);
  EXPECT_GT(value_of(report, "collapse_mmd"), 0.25);
  EXPECT_GT(value_of(report, "collapse_mmd_t"), 5.0);
  EXPECT_LT(value_of(report, "collapse_diversity"), 0.5);
  EXPECT_EQ(level_of(report, Indicator::two_sample), Level::none);
  EXPECT_EQ(level_of(report, Indicator::diversity), Level::none);
}

// The thresholds lie between two counts of 8 equal modes: 2, 3 and 4 lost.
TEST(CollapseCheck, JudgesTheLostModes) {
  for (const auto& [left, expected] : {std::pair{int64_t{6}, Level::none}, std::pair{int64_t{5}, Level::warn}, std::pair{int64_t{4}, Level::collapse}}) {
    CollapseCheck check(mixture.centres);
    EXPECT_EQ(level_of(check.run(check_of(fakes_on(left, 1), 1)), Indicator::coverage), expected) << left << " modes left";
  }
}

// One-hot modes, a share `a` of the fakes on the first and the rest even: M = (a − 1/8)²·64/49, 0.25 at a = 0.563 and 0.35 at 0.643.
TEST(CollapseCheck, JudgesTheTwoSampleEffect) {
  const auto evenly = [](int64_t modes) { return at::arange(samples).remainder(modes); };
  const auto reals = at::one_hot(evenly(8), 8).to(at::kFloat);
  for (const auto& [a, expected] : {std::pair{0.53, Level::none}, std::pair{0.59, Level::warn}, std::pair{0.61, Level::warn}, std::pair{0.67, Level::collapse}}) {
    const auto is_first = (at::arange(samples) * a).frac() < a;
    const auto fakes = at::one_hot(at::where(is_first, at::zeros({}, at::kLong), evenly(7) + 1), 8).to(at::kFloat);
    const auto report = CollapseCheck(at::eye(8, at::kDouble)).run({fakes, reals, reals, fakes, reals, reals, {}, {}});
    EXPECT_NEAR(value_of(report, "collapse_mmd"), (a - 0.125) * (a - 0.125) * 64 / 49, 0.012);
    EXPECT_EQ(level_of(report, Indicator::two_sample), expected) << a;
  }
}

TEST(CollapseCheck, JudgesTheNumbersOfTheStep) {
  CollapseCheck check(mixture.centres);
  const auto s = check_of(test::draw(mixture, samples, 1), 1);
  auto report = check.run(s);
  for (const auto indicator : {Indicator::d_wins, Indicator::gradients, Indicator::classes, Indicator::forgetting})
    EXPECT_FALSE(report.levels[static_cast<size_t>(indicator)].has_value());

  for (int i = 0; i < 400; ++i) check.see_loss(i < 1 ? std::log(4.0) : 0.02);  // 0.99^399 of the first is left
  CheckNumbers numbers{
      .d_accuracy = 1.0, .d_gradient_norm = 1.0, .g_gradient_norm = 101.0, .accuracy_on_fresh = 0.9, .accuracy_on_replayed = 0.4};
  report = check.run(s, numbers);
  EXPECT_EQ(level_of(report, Indicator::d_wins), Level::warn);
  EXPECT_NEAR(value_of(report, "collapse_d_loss"), 0.02 + std::pow(0.99, 399) * (std::log(4.0) - 0.02), 1e-12);
  EXPECT_EQ(level_of(report, Indicator::gradients), Level::warn);
  EXPECT_EQ(level_of(report, Indicator::forgetting), Level::none);
  EXPECT_NEAR(value_of(report, "collapse_forgetting"), 0.05, 1e-12);
  numbers.d_accuracy = 0.98, numbers.d_gradient_norm.reset(), numbers.g_gradient_norm = 1e-9;
  for (int i = 0; i < 5; ++i) report = check.run(s, numbers);
  EXPECT_EQ(level_of(report, Indicator::d_wins), Level::none);
  EXPECT_EQ(level_of(report, Indicator::gradients), Level::warn);
  EXPECT_EQ(level_of(report, Indicator::forgetting), Level::warn);  // 0.5·(1 − 0.9⁶) = 0.234
}

TEST(CollapseCheck, JudgesTheClasses) {
  CollapseCheck check(mixture.centres);
  auto s = check_of(test::draw(mixture, samples, 1), 1);
  s.r_classes = s.r2_classes = at::full({samples, 10}, 0.1, at::kDouble);
  for (const auto& [used, expected] : std::map<int64_t, Level>{{8, Level::none}, {6, Level::warn}, {4, Level::collapse}}) {
    s.y_classes = at::zeros({samples, 10}, at::kDouble);
    s.y_classes.slice(1, 0, used).fill_(1.0 / static_cast<double>(used));
    EXPECT_EQ(level_of(check.run(s), Indicator::classes), expected);
  }
}

TEST(CollapseCheck, GoesOnWhereItWasSaved) {
  CollapseCheck whole(mixture.centres), parts(mixture.centres);
  for (uint64_t i = 0; i < 12; ++i) {
    const auto s = check_of(fakes_on(i < 6 ? 8 : 3, i), i);
    CheckNumbers numbers;
    numbers.d_accuracy = 0.9, numbers.accuracy_on_fresh = 0.9, numbers.accuracy_on_replayed = 0.4;
    whole.see_loss(static_cast<double>(i)), parts.see_loss(static_cast<double>(i));
    State state;
    parts.save(state, "monitor");
    CollapseCheck next(at::zeros({8, 2}, at::kDouble));
    next.load(state, "monitor");
    parts = next;
    const auto a = whole.run(s, numbers), b = parts.run(s, numbers);
    EXPECT_EQ(a.keys, b.keys) << "check " << i;
    EXPECT_EQ(a.levels, b.levels) << "check " << i;
  }
}

TEST(CollapseCheck, RefusesUnfitSamples) {
  CollapseCheck check(mixture.centres);
  auto s = check_of(test::draw(mixture, samples, 1), 1);
  auto broken = s;
  broken.y = s.y.clone();
  broken.y[3][1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(check.run(broken), Error);
  broken = s;
  broken.r2 = s.r2.slice(0, 0, 100);
  EXPECT_THROW(check.run(broken), Error);
  EXPECT_NO_THROW(check_sample_counts(512, 1024));
  EXPECT_NO_THROW(check_sample_counts(64, -1));
  EXPECT_THROW(check_sample_counts(65, -1), Error);
  EXPECT_THROW(check_sample_counts(62, -1), Error);
  EXPECT_THROW(check_sample_counts(512, 1023), Error);
}

}  // namespace
}  // namespace ganymede::evaluate
