#include "core/rng.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace ganymede {
namespace {

const Draw z_d{Purpose::z_d, 0, 0};

// Random123's own published known answers (kat_vectors, philox4x32 10 rounds).
TEST(Rng, MatchesThePublishedAnswers) {
  EXPECT_EQ(Rng(0).words(Draw{Purpose::init}, 0, 0), (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
}

TEST(Rng, LatentsHaveTheirMoments) {
  const auto n = Rng(7).normal(z_d, 0, 10'000, 100);
  EXPECT_LT(std::abs(n.mean().item<double>()), 0.004);
  EXPECT_NEAR(n.var().item<double>(), 1.0, 0.005);
  const auto u = 2.0 * Rng(7).uniform(z_d, 0, 10'000, 100) - 1.0;
  EXPECT_NEAR(u.var().item<double>(), 1.0 / 3.0, 0.001);
  EXPECT_LE(u.abs().max().item<double>(), 1.0);
}

// Kolmogorov–Smirnov distance to the uniform distribution over (0, 1), times √n: 1.63 is the 1 % level.
double scaled_distance(const at::Tensor& draws) {
  const auto u = std::get<0>(draws.flatten().sort());
  const auto count = static_cast<double>(u.numel());
  const auto steps = at::arange(u.numel(), at::kDouble);
  return std::sqrt(count) * std::max((u - steps / count).max().item<double>(), ((steps + 1) / count - u).max().item<double>());
}

TEST(Rng, LatentsHaveTheirDistribution) {
  const auto n = Rng(11).normal(z_d, 0, 10'000, 100);
  EXPECT_LT(scaled_distance(0.5 * (1.0 + at::erf(n / std::sqrt(2.0)))), 1.63);
  EXPECT_LT(scaled_distance(Rng(11).uniform(z_d, 0, 10'000, 100)), 1.63);
}

TEST(Rng, RowsDependOnlyOnTheirPlace) {
  const auto all = Rng(3).normal(Draw{Purpose::z_g, 5, 2}, 0, 48, 17);
  EXPECT_TRUE(at::equal(Rng(3).normal(Draw{Purpose::z_g, 5, 2}, 24, 24, 17), all.slice(0, 24)));
  EXPECT_FALSE(at::equal(Rng(3).normal(Draw{Purpose::z_g, 6, 2}, 0, 48, 17), all));
  EXPECT_FALSE(at::equal(Rng(3).normal(Draw{Purpose::z_g, 5, 3}, 0, 48, 17), all));
  EXPECT_FALSE(at::equal(Rng(4).normal(Draw{Purpose::z_g, 5, 2}, 0, 48, 17), all));
}

TEST(Rng, ElementsCanBeDrawnInPieces) {
  const auto all = Rng(3).normal(z_d, 2, 3, 50);
  EXPECT_TRUE(at::equal(Rng(3).normal(z_d, 2, 3, 14, 36), all.slice(1, 36)));
  EXPECT_TRUE(at::equal(Rng(3).uniform(z_d, 2, 3, 14, 36), Rng(3).uniform(z_d, 2, 3, 50).slice(1, 36)));
  EXPECT_THROW(Rng(3).normal(z_d, 2, 3, 14, 35), Error);
}

TEST(Rng, PermutesEveryThingOnce) {
  for (int64_t n : {0, 1, 2, 5, 1000}) {
    auto order = Rng(1).permutation(n, 1, 2, 3);
    auto sorted = order;
    std::sort(sorted.begin(), sorted.end());
    for (int64_t i = 0; i < n; ++i) EXPECT_EQ(sorted[i], i);
    if (n == 1000) { EXPECT_FALSE(std::is_sorted(order.begin(), order.end())); }
  }
}

TEST(Rng, RefusesACounterThatDoesNotFit) { EXPECT_THROW(Rng(1).words(z_d, int64_t{1} << 32, 0), Error); }

}  // namespace
}  // namespace ganymede
