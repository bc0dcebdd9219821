#include "gan/losses.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace ganymede::gan {
namespace {

at::Tensor logit(double value) { return at::full({1}, value, at::kDouble).requires_grad_(true); }

double slope(const at::Tensor& loss, const at::Tensor& x) {
  loss.backward();
  return x.grad().item<double>();
}

// Closed forms of gan-systems, section 1.
TEST(Losses, MeetTheirClosedForms) {
  const auto real = logit(2), fake = logit(-1), for_g = logit(-1), for_minimax = logit(-1);
  const auto on_real = discriminator_real_loss(real, Loss::non_saturating, LossScale::sum, 1), on_fake = discriminator_fake_loss(fake, Loss::non_saturating, LossScale::sum, 1);
  EXPECT_NEAR(on_real.item<double>(), 0.126928, 1e-6);
  EXPECT_NEAR(on_fake.item<double>(), 0.313262, 1e-6);
  EXPECT_NEAR(slope(on_real, real), -0.119203, 1e-6);
  EXPECT_NEAR(slope(on_fake, fake), 0.268941, 1e-6);
  const auto ns = generator_loss(for_g, Loss::non_saturating, 1), minimax = generator_loss(for_minimax, Loss::minimax, 1);
  EXPECT_NEAR(ns.item<double>(), 1.313262, 1e-6);
  EXPECT_NEAR(minimax.item<double>(), -0.313262, 1e-6);
  EXPECT_NEAR(slope(ns, for_g), -0.731059, 1e-6);
  EXPECT_NEAR(slope(minimax, for_minimax), -0.268941, 1e-6);
}

// Section 14: ℓ_real = 2, ℓ_fake = −1.
TEST(Losses, OfCriticsMeetTheirClosedForms) {
  struct Known {
    Loss loss;
    double d, g, d_slope_real, d_slope_fake, g_slope;
  };
  for (const auto& k : {Known{Loss::least_squares, 1.0, 2.0, 1.0, -1.0, -2.0}, Known{Loss::hinge, 0.0, 1.0, 0.0, 0.0, -1.0}, Known{Loss::wasserstein, -3.0, 1.0, -1.0, 1.0, -1.0}}) {
    const auto real = logit(2), fake = logit(-1), for_g = logit(-1);
    const auto on_real = discriminator_real_loss(real, k.loss, LossScale::sum, 1), on_fake = discriminator_fake_loss(fake, k.loss, LossScale::sum, 1);
    const auto g = generator_loss(for_g, k.loss, 1);
    EXPECT_EQ(on_real.item<double>() + on_fake.item<double>(), k.d);
    EXPECT_EQ(g.item<double>(), k.g);
    EXPECT_EQ(slope(on_real, real), k.d_slope_real);
    EXPECT_EQ(slope(on_fake, fake), k.d_slope_fake);
    EXPECT_EQ(slope(g, for_g), k.g_slope);
  }
  const auto inside = logit(0.25), outside = logit(-0.25);
  const auto on_real = discriminator_real_loss(inside, Loss::hinge, LossScale::sum, 1), on_fake = discriminator_fake_loss(outside, Loss::hinge, LossScale::half, 1);
  EXPECT_EQ(on_real.item<double>(), 0.75);
  EXPECT_EQ(on_fake.item<double>(), 0.375);
  EXPECT_EQ(slope(on_real, inside), -1.0);
  EXPECT_EQ(slope(on_fake, outside), 0.5);
}

TEST(Losses, StayFiniteAtExtremes) {
  for (const double x : {-100.0, 100.0}) {
    const auto l = at::full({1}, x, at::kFloat);
    EXPECT_TRUE(at::isfinite(discriminator_real_loss(l, Loss::non_saturating, LossScale::sum, 1)).item<bool>());
    EXPECT_TRUE(at::isfinite(discriminator_fake_loss(l, Loss::non_saturating, LossScale::sum, 1)).item<bool>());
  }
  EXPECT_FLOAT_EQ(generator_loss(at::full({1}, -100.0f), Loss::non_saturating, 1).item<float>(), 100.0f);
  // The non-saturating loss keeps its gradient where minimax has lost it (section 30).
  const auto x = logit(-10), y = logit(-10);
  EXPECT_NEAR(slope(generator_loss(x, Loss::minimax, 1), x), -4.54e-5, 1e-7);
  EXPECT_NEAR(slope(generator_loss(y, Loss::non_saturating, 1), y), -0.99995, 1e-5);
}

TEST(Losses, EqualBinaryCrossEntropy) {
  const auto l = at::linspace(-30, 30, 101, at::kDouble);
  const auto ones = at::ones_like(l), zeros = at::zeros_like(l);
  EXPECT_NEAR(discriminator_real_loss(l, Loss::non_saturating, LossScale::sum, 101).item<double>(), at::binary_cross_entropy_with_logits(l, ones).item<double>(), 1e-12);
  EXPECT_NEAR(discriminator_fake_loss(l, Loss::non_saturating, LossScale::half, 101).item<double>(), 0.5 * at::binary_cross_entropy_with_logits(l, zeros).item<double>(), 1e-12);
  EXPECT_NEAR((discriminator_real_loss(at::zeros({4}), Loss::non_saturating, LossScale::sum, 4) + discriminator_fake_loss(at::zeros({4}), Loss::non_saturating, LossScale::sum, 4)).item<double>(), 1.386294, 1e-6);
}

// Section 30: what an undecided D leaves, D = ½ everywhere.
TEST(Losses, OfAnUndecidedDiscriminatorAreLog2) {
  const auto l = at::zeros({4}, at::kDouble);
  const auto on_real = discriminator_real_loss(l, Loss::non_saturating, LossScale::half, 4), on_fake = discriminator_fake_loss(l, Loss::non_saturating, LossScale::half, 4);
  EXPECT_NEAR((on_real + on_fake).item<double>(), 0.693147, 1e-6);
  EXPECT_NEAR(generator_loss(l, Loss::non_saturating, 4).item<double>(), 0.693147, 1e-6);
}

TEST(Losses, SharesAddUpToTheMean) {
  const auto l = at::randn({10}, at::kDouble);
  const double whole = discriminator_fake_loss(l, Loss::non_saturating, LossScale::sum, 10).item<double>();
  const double parts = discriminator_fake_loss(l.slice(0, 0, 3), Loss::non_saturating, LossScale::sum, 10).item<double>() + discriminator_fake_loss(l.slice(0, 3), Loss::non_saturating, LossScale::sum, 10).item<double>();
  EXPECT_NEAR(whole, parts, 1e-15);
}

TEST(Losses, RefuseLogitsThatWouldBroadcast) { EXPECT_THROW(discriminator_real_loss(at::zeros({4, 1}), Loss::non_saturating, LossScale::sum, 4), Error); }

TEST(Softplus, HasTwoDerivatives) {
  const auto x = at::tensor({-25.0, -1.0, 0.0, 3.0, 25.0}, at::kDouble);
  const double h = 1e-5;
  const auto numeric = (gan::softplus(x + h) - gan::softplus(x - h)) / (2 * h);
  EXPECT_TRUE(at::allclose(numeric, x.sigmoid(), 1e-8, 1e-9));
}

}  // namespace
}  // namespace ganymede::gan
