#include "evaluate/mixture_modes.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "evaluate/mixtures.hpp"

namespace ganymede::evaluate {
namespace {

SandlundScore score(const MixtureModel& mixture, const at::Tensor& points) {
  return sandlund(mode_histogram(points, mixture), mixture.weights);
}

// gan-systems, section 25: all in one of 8, four equal modes, all invalid, exact.
TEST(Sandlund, MeetsItsClosedForms) {
  const auto mixture = test::ring();
  const auto one = score(mixture, mixture.centres.slice(0, 3, 4).repeat({1000, 1}));
  EXPECT_NEAR(one.total_variation, 0.875, 1e-12);
  EXPECT_EQ(one.covered_at_1_percent, 1);
  EXPECT_DOUBLE_EQ(one.valid_share, 1.0);
  EXPECT_NEAR(score(mixture, mixture.centres.slice(0, 0, 4).repeat({250, 1})).total_variation, 0.5, 1e-12);
  const auto nowhere = score(mixture, at::zeros({1000, 2}, at::kDouble));
  EXPECT_NEAR(nowhere.total_variation, 1.0, 1e-12);
  EXPECT_DOUBLE_EQ(nowhere.valid_share, 0.0);
  EXPECT_EQ(nowhere.covered_at_1_percent, 0);
  EXPECT_NEAR(score(mixture, mixture.centres.repeat({125, 1})).total_variation, 0.0, 1e-12);
}

// 2 % of the samples cover a ring's mode at 1 %, but are less than a quarter of its 12.5 %.
TEST(Sandlund, CountsModesAtBothThresholds) {
  const auto mixture = test::ring();
  const auto points = at::cat({mixture.centres.slice(0, 0, 1).repeat({980, 1}), mixture.centres.slice(0, 1, 2).repeat({20, 1})});
  EXPECT_EQ(score(mixture, points).covered_at_1_percent, 2);
  EXPECT_EQ(score(mixture, points).covered_at_quarter, 1);
}

TEST(Histogram, TakesSamplesWithinThreeDeviationsAndNoOthers) {
  const auto mixture = test::ring();
  const auto near = mixture.centres[0] + at::tensor({0.29, 0.0}, at::kDouble);
  const auto far = mixture.centres[0] + at::tensor({0.0, 0.31}, at::kDouble);
  const auto not_finite = at::full({2}, std::numeric_limits<double>::quiet_NaN(), at::kDouble);
  const auto histogram = mode_histogram(at::stack({near, far, not_finite}).to(at::kFloat), mixture);
  EXPECT_EQ(histogram[0].item<int64_t>(), 1);
  EXPECT_EQ(histogram[8].item<int64_t>(), 2);
  EXPECT_EQ(histogram.sum().item<int64_t>(), 3);
}

TEST(Pacgan, MeetsItsClosedForms) {
  const auto mixture = test::ring();
  const auto half = pacgan(mode_histogram(mixture.centres.slice(0, 0, 4).repeat({250, 1}), mixture), mixture.weights);
  EXPECT_EQ(half.modes, 4);
  EXPECT_NEAR(half.reverse_kl, std::log(2.0), 1e-12);
  EXPECT_DOUBLE_EQ(half.high_quality, 1.0);
  const auto nowhere = pacgan(mode_histogram(at::zeros({10, 2}, at::kDouble), mixture), mixture.weights);
  EXPECT_EQ(nowhere.modes, 0);
  EXPECT_TRUE(std::isnan(nowhere.reverse_kl));
}

// Floors of section 25. The mean over sets is held against the stated mean, each set against the stated range.
TEST(RealData, ScoresItsOwnFloor) {
  struct Known {
    const char* name;
    MixtureModel mixture;
    double mean, deviation, low, high;
  };
  constexpr int sets = 40;
  for (const auto& k : {Known{"ring", test::ring(), 0.0170, 0.0029, 0.011, 0.025},
                        Known{"5x5", test::grid(5, 1.5, 0.1), 0.0256, 0.0031, 0.019, 0.035}}) {
    double sum = 0;
    int within = 0;
    for (uint64_t seed = 0; seed < sets; ++seed) {
      SCOPED_TRACE(fmt::format("{}, seed {}", k.name, seed));
      const auto s = score(k.mixture, test::draw(k.mixture, 10'000, seed));
      sum += s.total_variation;
      within += s.total_variation >= k.low && s.total_variation <= k.high;
      EXPECT_EQ(s.covered_at_quarter, k.mixture.weights.size(0));
      EXPECT_NEAR(s.valid_share, 0.98889, 4 * 0.00105);
    }
    EXPECT_NEAR(sum / sets, k.mean, 4 * k.deviation / std::sqrt(sets)) << k.name;
    EXPECT_GE(within, sets - 2) << k.name;  // 99 % each
  }
}

// PacGAN's set and number of samples: high quality 0.9889, reverse KL 0.0014 (ring) and 0.0049 (grid).
TEST(RealData, ScoresPacgansFloor) {
  struct Known {
    const char* name;
    MixtureModel mixture;
    double reverse_kl;
  };
  constexpr int sets = 200;
  for (const auto& k : {Known{"ring", test::ring(8, 1.0, 0.01), 0.0014}, Known{"grid", test::grid(5, 2.0, 0.05), 0.0049}}) {
    double quality = 0, kl = 0;
    for (uint64_t seed = 0; seed < sets; ++seed) {
      const auto s = pacgan(mode_histogram(test::draw(k.mixture, 2'500, seed), k.mixture), k.mixture.weights);
      EXPECT_EQ(s.modes, k.mixture.weights.size(0)) << k.name << ", seed " << seed;
      quality += s.high_quality, kl += s.reverse_kl;
    }
    EXPECT_NEAR(quality / sets, 0.9889, 0.0006) << k.name;
    EXPECT_NEAR(kl / sets, k.reverse_kl, 0.0003) << k.name;
  }
}

TEST(Mixture, IsRefusedWhenItIsNone) {
  auto mixture = test::ring();
  mixture.weights = mixture.weights * 2.0;
  EXPECT_THROW(mode_histogram(mixture.centres, mixture), Error);
  mixture = test::ring();
  mixture.sd = mixture.sd.slice(0, 0, 7);
  EXPECT_THROW(mode_histogram(mixture.centres, mixture), Error);
  EXPECT_THROW(sandlund(at::zeros({9}, at::kLong), test::ring().weights), Error);
}

}  // namespace
}  // namespace ganymede::evaluate
