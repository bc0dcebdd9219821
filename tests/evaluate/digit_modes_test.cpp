#include "evaluate/digit_modes.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.hpp"
#include "core/rng.hpp"

namespace ganymede::evaluate {
namespace {

at::Tensor training_frequencies() {  // of MNIST's 60,000 training images
  const auto counts = at::tensor(std::vector<double>{5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949});
  return counts / counts.sum();
}

// A row of confidence c for its class, the rest spread over the others.
at::Tensor judged(const at::Tensor& classes, double c = 1.0) {
  const auto one_hot = at::one_hot(classes, 10).to(at::kDouble);
  return one_hot * (c - (1.0 - c) / 9.0) + (1.0 - c) / 9.0;
}

// Labels by their frequencies: int64 [n].
at::Tensor draw_digits(const at::Tensor& frequencies, int64_t n, int64_t step) {
  const auto u = Rng(7).uniform({.purpose = Purpose::data, .step = step}, 0, n, 1).squeeze(1);
  return at::searchsorted(frequencies.cumsum(0), u).clamp_max(9);
}

TEST(DigitScore, OfHandMadeShares) {
  const auto p = at::full({10}, 0.1, at::kDouble);
  // 94 zeros, 5 ones, 1 two in 100.
  const auto classes = at::cat({at::zeros({94}, at::kLong), at::ones({5}, at::kLong), at::full({1}, 2, at::kLong)});
  const auto s = digit_score(judged(classes), p);
  EXPECT_EQ(s.covered_at_1_percent, 3);
  EXPECT_EQ(s.covered_at_quarter, 2);
  EXPECT_NEAR(s.total_variation, 0.84, 1e-12);
  EXPECT_NEAR(s.rejected, 0.0, 1e-12);
  EXPECT_NEAR(s.confident_total_variation, 0.84, 1e-12);
  EXPECT_NEAR(s.shares[1].item<double>(), 0.05, 1e-12);
}

// ½(Σ|a − p| + rejected): all ten digits equally often, every second one unsure.
TEST(DigitScore, CountsOnlyConfidentDigits) {
  const auto p = at::full({10}, 0.1, at::kDouble);
  const auto classes = at::arange(100) / 10;
  const auto digits = classes.floor().to(at::kLong);
  const auto rows = at::where(at::arange(100).remainder(2).eq(0).unsqueeze(1), judged(digits, 0.9), judged(digits, 0.89));
  const auto s = digit_score(rows, p);
  EXPECT_NEAR(s.total_variation, 0.0, 1e-12);
  EXPECT_NEAR(s.rejected, 0.5, 1e-12);
  EXPECT_NEAR(s.confident_total_variation, 0.5, 1e-12);
}

// The floor of the published figures: 10,000 training labels. The labels of the test images stand at 0.0076 (0.0094 is what a
// classifier makes of them).
TEST(DigitScore, OfRealLabelsIsThePublishedFloor) {
  const auto p = training_frequencies();
  double sum = 0;
  constexpr int64_t rounds = 50;
  for (int64_t round = 0; round < rounds; ++round) {
    const double tv = digit_score(judged(draw_digits(p, 10'000, round)), p).total_variation;
    EXPECT_LT(tv, 0.03) << round;
    sum += tv;
  }
  EXPECT_NEAR(sum / rounds, 0.0121, 0.0015);
  const auto test_counts = at::tensor(std::vector<int64_t>{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009});
  EXPECT_NEAR(digit_score(judged(at::repeat_interleave(at::arange(10), test_counts)), p).total_variation, 0.0076, 0.00005);
}

TEST(DigitScore, RefusesWhatDoesNotFit) {
  EXPECT_THROW(digit_score(at::empty({0, 10}), training_frequencies()), Error);
  EXPECT_THROW(digit_score(judged(at::zeros({3}, at::kLong)), at::ones({9}, at::kDouble)), Error);
}

at::Tensor stacks(const at::Tensor& digits) {  // [n,3]
  return judged(digits.flatten()).view({-1, 3, 10});
}

TEST(StackScore, NumbersClassesByTheirDigits) {
  const auto digits = at::tensor(std::vector<int64_t>{1, 2, 3, 0, 0, 7, 9, 9, 9}).view({3, 3});
  EXPECT_TRUE(stack_class(stacks(digits)).equal(at::tensor(std::vector<int64_t>{123, 7, 999})));
}

TEST(StackScore, OfOneClassAndOfAll) {
  const auto one = stack_score(stacks(at::ones({50, 3}, at::kLong)));
  EXPECT_EQ(one.modes, 1);
  EXPECT_NEAR(one.kl, std::log(1000.0), 1e-9);
  const auto n = at::arange(1000);
  const auto digits = at::stack({n.floor_divide(100), n.floor_divide(10).remainder(10), n.remainder(10)}, 1);
  const auto all = stack_score(stacks(digits));
  EXPECT_EQ(all.modes, 1000);
  EXPECT_NEAR(all.kl, 0.0, 1e-9);
  EXPECT_EQ(all.confident_modes, 1000);
}

// A stack counts as sure only if all three digits are.
TEST(StackScore, NeedsThreeConfidentDigits) {
  auto rows = stacks(at::zeros({4, 3}, at::kLong));
  rows[0][2] = judged(at::zeros({1}, at::kLong), 0.5)[0];
  const auto s = stack_score(rows);
  EXPECT_NEAR(s.accepted, 0.75, 1e-12);
  EXPECT_EQ(s.confident_modes, 1);
  const auto none = stack_score(judged(at::zeros({12}, at::kLong), 0.5).view({4, 3, 10}));
  EXPECT_EQ(none.modes, 1);
  EXPECT_EQ(none.confident_modes, 0);
  EXPECT_TRUE(std::isnan(none.confident_kl));
}

// gan-systems 29: the floors of 26,000 and 25,600 draws.
TEST(StackScore, OfUniformDrawsIsThePublishedFloor) {
  const auto uniform = at::full({10}, 0.1, at::kDouble);
  EXPECT_NEAR(stack_score(stacks(draw_digits(uniform, 78'000, 0).view({-1, 3}))).kl, 0.0194, 0.0010);
  EXPECT_NEAR(stack_score(stacks(draw_digits(training_frequencies(), 78'000, 1).view({-1, 3}))).kl, 0.0236, 0.0010);
  EXPECT_NEAR(stack_score(stacks(draw_digits(training_frequencies(), 76'800, 2).view({-1, 3}))).kl, 0.0239, 0.0010);
}

}  // namespace
}  // namespace ganymede::evaluate
