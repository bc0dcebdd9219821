#include "gan/input_gradient.hpp"

#include <gtest/gtest.h>

#include "gan/small_judge.hpp"

namespace ganymede::gan {
namespace {

// Norms at `x` by D.
at::Tensor norms(const at::Tensor& x, std::shared_ptr<nets::Network> d) {
  test::SmallJudge bench(x.size(0), std::move(d));
  return squared_input_gradients(x, test::with_input(x), nets::Source::d_real, bench.judge).sqrt();
}

// gan-systems, section 35.
TEST(InputGradient, OfALinearDiscriminatorIsItsWeightEverywhere) {
  const auto x = Rng(1).normal(Draw{Purpose::data}, 0, 7, 2);
  EXPECT_TRUE(at::allclose(norms(x, test::discriminator_of<test::Slope>(test::vector({3, 4}))), at::full({7}, 5.0, at::kDouble), 0, 1e-12));
}

TEST(InputGradient, OfASquaredNormIsTwiceTheNormOfEachSample) {
  const auto x = test::vector({3, 4, 0, 0, -6, 8}).view({3, 2});
  EXPECT_TRUE(at::allclose(norms(x, test::discriminator_of<test::Bowl>(2.0)), test::vector({10, 0, 20}), 0, 1e-12));
}

}  // namespace
}  // namespace ganymede::gan
