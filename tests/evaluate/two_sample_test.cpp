#include "evaluate/two_sample.hpp"

#include <ATen/ops/eye.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.hpp"
#include "evaluate/mixtures.hpp"
#include "evaluate/pairwise.hpp"

namespace ganymede::evaluate {
namespace {

at::Tensor line(std::initializer_list<double> values) { return at::tensor(at::ArrayRef<double>(values), at::kDouble).unsqueeze(1); }

// gan-systems, section 25: {0,1} and {2,3} with h = 1.
TEST(TwoSample, MeetsItsClosedForms) {
  const auto k = gaussian_kernels(squared_distance_matrices(line({0, 1}), line({2, 3})), 1.0);
  EXPECT_NEAR(unbiased_mmd2(k), 0.768906, 5e-7);
  EXPECT_NEAR(unbiased_mmd2(k), 2 * std::exp(-0.5) - (2 * std::exp(-2.0) + std::exp(-4.5) + std::exp(-0.5)) / 2, 1e-12);
  EXPECT_NEAR(cross_mmd(k.rr, k.ry, k.ry.t(), k.yy), 5.521624, 5e-7);  // each set as both halves
}

// 8 separated modes, the fakes on m of them: M = (K−m)/(m(K−1)), here up to the finite number of samples.
TEST(TwoSample, EffectCountsLostModes) {
  const auto modes = at::eye(8, at::kDouble);
  const auto reals = modes.repeat({64, 1});
  EXPECT_NEAR(two_sample(reals, modes.slice(0, 0, 4).repeat({128, 1})).effect, 0.138951, 5e-7);
  EXPECT_NEAR(two_sample(reals, modes.slice(0, 0, 4).repeat({128, 1})).effect, 4.0 / 28.0, 0.005);
  EXPECT_NEAR(two_sample(reals, modes.slice(0, 0, 2).repeat({256, 1})).effect, 6.0 / 14.0, 0.005);
  EXPECT_NEAR(two_sample(reals, modes.slice(0, 0, 1).repeat({512, 1})).effect, 1.0, 0.005);
  EXPECT_NEAR(two_sample(reals, modes.slice(0, 0, 4).repeat({128, 1}), Kernel::polynomial).effect, 0.138951, 5e-7);  // any such kernel
}

// Halves are rows: the first half of the fakes meets the second half of the reals, not its own.
TEST(TwoSample, TakesItsHalvesFromTheRows) {
  const auto r = line({0, 1, 0.5, 2}), y = line({3, 4, 2.5, 5});
  const auto k = [](const at::Tensor& a, const at::Tensor& b) { return (squared_distances(a, b) * -0.5).exp(); };
  const auto r1 = r.slice(0, 0, 2), r2 = r.slice(0, 2), y1 = y.slice(0, 0, 2), y2 = y.slice(0, 2);
  const auto whole = two_sample(gaussian_kernels(squared_distance_matrices(r, y), 1.0));
  EXPECT_NEAR(whole.t, cross_mmd(k(r1, r2), k(r1, y2), k(y1, r2), k(y1, y2)), 1e-12);
}

// Under equality T is about N(0,1).
TEST(TwoSample, IsQuietWhereTheSetsAreOfOneKind) {
  constexpr int pairs = 60;
  double sum = 0, squares = 0, effect = 0;
  for (uint64_t seed = 0; seed < pairs; ++seed) {
    const auto both = test::draw(test::ring(), 512, seed);
    const auto s = two_sample(both.slice(0, 0, 256), both.slice(0, 256));
    sum += s.t, squares += s.t * s.t, effect += s.effect;
  }
  EXPECT_NEAR(sum / pairs, 0.0, 4 / std::sqrt(pairs));
  EXPECT_NEAR(squares / pairs, 1.0, 4 * std::sqrt(2.0 / pairs));
  EXPECT_NEAR(effect / pairs, 0.0, 0.005);
}

TEST(Bandwidth, IsTheMedianOfThePairs) {
  EXPECT_DOUBLE_EQ(median_bandwidth_squared(squared_distances(line({0, 1, 3}), line({0, 1, 3}))), 4.0);            // 1 4 9
  EXPECT_DOUBLE_EQ(median_bandwidth_squared(squared_distances(line({0, 1, 3, 7}), line({0, 1, 3, 7}))), 12.5);     // 1 4 9 16 36 49
  EXPECT_DOUBLE_EQ(median_bandwidth_squared(squared_distances(line({0, 0, 0, 2}), line({0, 0, 0, 2}))), 2.0);      // 0 0 0 4 4 4
  EXPECT_DOUBLE_EQ(median_bandwidth_squared(squared_distances(line({0, 0, 0, 0, 2}), line({0, 0, 0, 0, 2}))), 1.6);  // mostly 0: the mean
  EXPECT_DOUBLE_EQ(median_bandwidth_squared(squared_distances(line({1, 1}), line({1, 1}))), 1.0);
}

TEST(Distances, KeepTheirDigitsFarFromTheOrigin) {
  const auto a = line({1e6, 1e6 + 1}), b = line({1e6 + 3, 1e6 + 5});
  EXPECT_TRUE(at::allclose(squared_distances(a, b), at::tensor({9.0, 25.0, 4.0, 16.0}, at::kDouble).reshape({2, 2}), 1e-12));
}

TEST(TwoSample, RefusesUnfitSets) {
  EXPECT_THROW(two_sample(line({0, 1, 2}), line({0, 1, 2})), Error);
  EXPECT_THROW(two_sample(line({0, 1, 2, 3}), line({0, 1})), Error);
  EXPECT_THROW(squared_distances(line({0}), at::zeros({1, 2}, at::kDouble)), Error);
}

}  // namespace
}  // namespace ganymede::evaluate
