#include "evaluate/within_modes.hpp"

#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include <cmath>

#include "evaluate/mixtures.hpp"

namespace ganymede::evaluate {
namespace {

TEST(CutVariance, OfAPlanarGaussianIsKnown) {
  EXPECT_NEAR(cut_variance_factor(2), 0.949448, 5e-7);
  EXPECT_NEAR(real_valid_share(2), 1.0 - std::exp(-4.5), 1e-12);
}

// One line: 1 − 2·3·φ(3)/P(|x| < 3).
TEST(CutVariance, OfALineIsKnown) {
  const double density = std::exp(-4.5) / std::sqrt(2.0 * std::numbers::pi);
  EXPECT_NEAR(cut_variance_factor(1), 1.0 - 6.0 * density / std::erf(3.0 / std::numbers::sqrt2), 1e-12);
}

TEST(WithinModes, OfRealDataIsOne) {
  for (const auto& mixture : {test::ring(), test::grid(5, 1.5, 0.1)})
    for (uint64_t seed = 0; seed < 5; ++seed) {
      const auto w = within_modes(test::draw(mixture, 10'000, seed), mixture);
      SCOPED_TRACE(seed);
      EXPECT_EQ(static_cast<int64_t>(w.modes.size()), mixture.weights.size(0));
      EXPECT_NEAR(w.mean_sd_ratio, 1.0, 0.02);
      EXPECT_NEAR(w.mean_volume_ratio, 1.0, 0.02);
      EXPECT_LT(w.min_sd_ratio, w.mean_sd_ratio);
      EXPECT_GT(w.min_volume_ratio, 0.8);
      EXPECT_FALSE(is_too_sharp(0.98889, 10'000, 2, w.mean_sd_ratio));
    }
}

// Ratios are those of the shape: half the spread gives ½ and ¼, half of it along one axis √(5/8) and ½ (no sample is cut here).
TEST(WithinModes, OfANarrowerModeAreItsRatios) {
  const auto mixture = test::of_centres(at::zeros({1, 2}, at::kDouble), 1.0);
  auto points = test::draw(mixture, 100'000, 3);
  const double kappa = cut_variance_factor(2);
  auto w = within_modes(points * 0.5, mixture);
  EXPECT_NEAR(w.mean_sd_ratio, 0.5 / std::sqrt(kappa), 0.005);
  EXPECT_NEAR(w.mean_volume_ratio, 0.25 / kappa, 0.005);
  points.select(1, 0).mul_(0.5);
  w = within_modes(points * 0.5, mixture);
  EXPECT_NEAR(w.mean_sd_ratio, 0.5 * std::sqrt(5.0 / 8.0) / std::sqrt(kappa), 0.005);
  EXPECT_NEAR(w.mean_volume_ratio, 0.125 / kappa, 0.003);
}

// Eight point masses: total variation 0 says nothing, the spread says all.
TEST(WithinModes, OfPointMassesIsZeroAndFlagged) {
  const auto mixture = test::ring();
  const auto points = mixture.centres.repeat({1250, 1});
  EXPECT_NEAR(sandlund(mode_histogram(points, mixture), mixture.weights).total_variation, 0.0, 1e-12);
  const auto w = within_modes(points, mixture);
  EXPECT_NEAR(w.mean_sd_ratio, 0.0, 1e-9);
  EXPECT_NEAR(w.mean_volume_ratio, 0.0, 1e-9);
  EXPECT_TRUE(is_too_sharp(1.0, points.size(0), 2, w.mean_sd_ratio));
}

TEST(WithinModes, LeaveOutModesOfFewSamples) {
  const auto mixture = test::ring();
  const auto points = at::cat({mixture.centres.slice(0, 0, 1).repeat({30, 1}), mixture.centres.slice(0, 1, 2).repeat({29, 1})});
  const auto w = within_modes(points, mixture);
  ASSERT_EQ(w.modes.size(), 1u);
  EXPECT_EQ(w.modes[0].mode, 0);
  EXPECT_TRUE(std::isnan(within_modes(points.slice(0, 0, 10), mixture).mean_sd_ratio));
}

// n = 10,000: above 99.2 % valid.
TEST(TooSharp, BeginsThreeStandardErrorsAboveRealData) {
  EXPECT_FALSE(is_too_sharp(0.9920, 10'000, 2, 1.0));
  EXPECT_TRUE(is_too_sharp(0.9921, 10'000, 2, 1.0));
  EXPECT_TRUE(is_too_sharp(0.9, 10'000, 2, 0.79));
}

}  // namespace
}  // namespace ganymede::evaluate
