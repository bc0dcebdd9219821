// Closed forms of games between two players: they catch mistakes of sign and of reduction (gan-systems, section 30).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/rng.hpp"
#include "gan/losses.hpp"
#include "gan/optimizer.hpp"

namespace ganymede::gan {
namespace {

struct LinearDiscriminator {
  FlatWeights weights{at::zeros({2}, at::kDouble).requires_grad_(false), at::zeros({2}, at::kDouble)};
  at::Tensor parameters = weights.parameters.detach().requires_grad_(true);  // shares storage
  at::Tensor logits(const at::Tensor& x) const { return x * parameters[0] + parameters[1]; }
};

struct Averages {
  double loss = 0, probability = 0, slope = 0, intercept = 0;
};

// Trains ℓ(x) = a·x + b on N(0,1) against N(shift,1) for 2,000 steps; averages of the last 200.
Averages train(double shift, double lr) {
  LinearDiscriminator d;
  OptimizerConfig config;
  config.lr = lr;
  Optimizer adam(config, d.weights);
  const Rng rng(1);
  Averages mean;
  constexpr int steps = 2000, last = 200, batch = 2000;
  for (int i = 0; i < steps; ++i) {
    const auto real = rng.normal(Draw{Purpose::data, i}, 0, batch, 1).flatten();
    const auto fake = rng.normal(Draw{Purpose::z_d, i}, 0, batch, 1).flatten() + shift;
    const auto loss = discriminator_real_loss(d.logits(real), Loss::non_saturating, LossScale::sum, batch) + discriminator_fake_loss(d.logits(fake), Loss::non_saturating, LossScale::sum, batch);
    d.parameters.mutable_grad() = at::Tensor();
    loss.backward();
    d.weights.gradients.copy_(d.parameters.grad());
    adam.step();
    if (i < steps - last) continue;
    at::NoGradGuard no_graph;
    mean.loss += loss.item<double>() / last;
    mean.probability += d.logits(real).sigmoid().mean().item<double>() / last;
    mean.slope += d.parameters[0].item<double>() / last;
    mean.intercept += d.parameters[1].item<double>() / last;
  }
  return mean;
}

TEST(Games, EqualDistributionsEndAtLog4) {
  const auto mean = train(0.0, 1e-3);
  EXPECT_NEAR(mean.loss, 1.386294, 0.01);
  EXPECT_NEAR(mean.probability, 0.5, 0.01);
}

// ℓ*(x) = m²/2 − m·x for N(0,1) against N(m,1); the least loss is log 4 − 2·JSD.
TEST(Games, TheOptimalDiscriminatorIsTheLogRatio) {
  const auto mean = train(2.0, 1e-2);
  EXPECT_NEAR(mean.slope, -2.0, 0.06);
  EXPECT_NEAR(mean.intercept, 2.0, 0.06);
  EXPECT_NEAR(mean.loss, 0.712633, 0.02);
}

}  // namespace
}  // namespace ganymede::gan
