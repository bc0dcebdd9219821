#include "evaluate/distances.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.hpp"
#include "evaluate/mixtures.hpp"

namespace ganymede::evaluate {
namespace {

const Rng rng(11);

TEST(Emd, OfTwoPairsIsTwo) {
  const auto x = at::tensor({0.0, 1.0}, at::kDouble), y = at::tensor({3.0, 2.0}, at::kDouble);
  EXPECT_DOUBLE_EQ(emd(x, y), 2.0);
  EXPECT_DOUBLE_EQ(wasserstein_on_line(x, y).w2, 2.0);
  const auto uneven = wasserstein_on_line(x, at::tensor({0.0, 4.0}, at::kDouble));
  EXPECT_DOUBLE_EQ(uneven.w1, 1.5);
  EXPECT_DOUBLE_EQ(uneven.w2, std::sqrt(4.5));
  EXPECT_THROW(emd(x, at::zeros({3}, at::kDouble)), Error);
}

// A set moved by v: W2 along θ is |v·θ|, whose square has the mean |v|²/2.
TEST(SlicedWasserstein, OfAMovedSetIsKnown) {
  const auto points = test::draw(test::ring(), 500, 5);
  const auto s = sliced_wasserstein(points, points + at::tensor({3.0, 4.0}, at::kDouble), rng);
  EXPECT_NEAR(s.w2, 5.0 / std::numbers::sqrt2, 1e-9);
  EXPECT_NEAR(s.w2, 3.535534, 5e-7);
  double w1 = 0;
  for (int j = 0; j < 512; ++j) w1 += std::abs(3 * std::cos(std::numbers::pi * j / 512) + 4 * std::sin(std::numbers::pi * j / 512)) / 512;
  EXPECT_NEAR(s.w1, w1, 1e-9);  // 256 lines, each twice, would miss it by 2e-5
  EXPECT_NEAR(sliced_wasserstein(points, points.flip(0), rng).w2, 0.0, 1e-12);
}

// Drawn directions in F dimensions: E(v·θ)² = |v|²/F, with a standard error of about |v|²/F·√(2/512).
TEST(SlicedWasserstein, DrawsDirectionsBeyondThePlane) {
  const int64_t features = 12;
  const auto points = Rng(2).normal({.purpose = Purpose::data}, 0, 50, features);
  const auto s = sliced_wasserstein(points, points + 1.0, rng);
  EXPECT_NEAR(s.w2 * s.w2, 1.0, 4 * std::sqrt(2.0 / 512));
  EXPECT_NE(s.w2, sliced_wasserstein(points, points + 1.0, Rng(12)).w2);
}

// A lost mode of five costs log(5/4), one at half weight 0.037 (section 8).
TEST(HistogramKl, OfLostModesIsKnown) {
  const auto data = at::tensor({10.2, 20.2, 60.2, 80.2, 110.2}, at::kDouble).repeat({900});
  const auto lost = at::tensor({10.2, 20.2, 60.2, 80.2}, at::kDouble).repeat({900});
  EXPECT_NEAR(histogram_kl(lost, data).kl, std::log(1.25), 1e-12);
  const auto half = at::cat({lost.slice(0, 0, 900), at::full({100}, 110.2, at::kDouble)});  // 10 % of the samples instead of 20 %
  EXPECT_NEAR(histogram_kl(half, data).kl, 0.9 * std::log(1.125) + 0.1 * std::log(0.5), 1e-12);
  EXPECT_NEAR(histogram_kl(half, data).kl, 0.037, 5e-4);
  EXPECT_NEAR(histogram_kl(data, data).kl, 0.0, 1e-12);
}

TEST(HistogramKl, TellsWhatItsRenormalizingHides) {
  const auto data = at::full({100}, 10.2, at::kDouble);
  const auto generated = at::cat({at::full({60}, 10.4), at::full({30}, 10.6), at::full({10}, -11.0)});
  const auto score = histogram_kl(generated, data);
  EXPECT_NEAR(score.kl, 0.0, 1e-12);
  EXPECT_NEAR(score.outside, 0.4, 1e-12);
  EXPECT_TRUE(std::isnan(histogram_kl(at::full({5}, 200.0, at::kDouble), data).kl));
}

}  // namespace
}  // namespace ganymede::evaluate
