#include "evaluate/input_gradient.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace ganymede::evaluate {
namespace {

// gan-systems, section 35: norms 1…200, in falling order.
TEST(InputGradients, AreSummarizedByLargestAndPercentile) {
  const auto s = summarize_input_gradients(at::arange(200, 0, -1, at::kDouble));
  EXPECT_EQ(s.largest, 200);
  EXPECT_EQ(s.percentile_99, 198);
  EXPECT_DOUBLE_EQ(s.share_above_one, 199.0 / 200.0);
}

TEST(InputGradients, OfOneNormOrNone) {
  const auto s = summarize_input_gradients(at::full({1}, 1.0, at::kFloat));
  EXPECT_EQ(s.percentile_99, 1);
  EXPECT_EQ(s.share_above_one, 0);
  EXPECT_EQ(summarize_input_gradients(at::arange(1, 102, at::kDouble)).percentile_99, 100);  // ⌈99.99⌉ = 100
  EXPECT_THROW(summarize_input_gradients(at::empty({0}, at::kDouble)), Error);
}

}  // namespace
}  // namespace ganymede::evaluate
