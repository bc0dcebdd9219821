#include "evaluate/checkerboard.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace ganymede::evaluate {
namespace {

at::Tensor board(int64_t side) {
  const auto line = at::arange(side, at::kDouble);
  return (1.0 - 2.0 * (line.view({side, 1}) + line).remainder(2.0)).view({1, 1, side, side});
}

// gan-systems 24.
TEST(Checkerboard, MeetsItsClosedForms) {
  EXPECT_NEAR(checkerboard(board(32)), 1.0, 1e-12);
  EXPECT_NEAR(checkerboard(5.0 + 0.1 * board(28)), 1.0, 1e-12);
  EXPECT_EQ(checkerboard(at::full({3, 2, 8, 8}, 0.7)), 0.0);
  at::manual_seed(1);
  EXPECT_NEAR(checkerboard(at::randn({200, 1, 32, 32})), 3.0 / 1023.0, 0.2 * 3.0 / 1023.0);
}

TEST(Checkerboard, EqualsTheTransform) {
  at::manual_seed(2);
  const auto x = at::randn({4, 3, 6, 10}, at::kDouble);
  auto energy = at::fft_fft2(x - x.mean({2, 3}, true)).abs().square();
  using at::indexing::Slice;
  const auto found = energy.select(2, 3).select(2, 0) + energy.select(2, 0).select(2, 5) + energy.select(2, 3).select(2, 5);
  EXPECT_NEAR(checkerboard(x), (found / energy.sum({2, 3})).mean().item<double>(), 1e-12);
}

TEST(Checkerboard, RefusesOddSides) { EXPECT_THROW(checkerboard(at::zeros({1, 1, 7, 8})), Error); }

}  // namespace
}  // namespace ganymede::evaluate
