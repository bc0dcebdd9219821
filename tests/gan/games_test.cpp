// Closed forms of games between two players: they catch mistakes of sign and of reduction (gan-systems, section 30).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "comm/thread_ranks.hpp"
#include "gan/instance_noise.hpp"
#include "gan/small_game.hpp"

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

// Trains ℓ(x) = a·x + b on N(0,1) against N(shift,1) for 2,000 steps, by the losses and the optimizer alone (the step's own players
// have no such D); averages of the last 200. `noise`: deviation of instance noise, through its filter.
Averages train(double shift, double lr, double noise = 0.0) {
  LinearDiscriminator d;
  OptimizerConfig config;
  config.lr = lr;
  Optimizer adam(config, d.weights);
  const Rng rng(1);
  Averages mean;
  constexpr int steps = 2000, last = 200, batch = 2000;
  test::SmallJudge bench(batch);
  if (noise > 0) bench.filters.push_back(make_instance_noise({noise, 0}));
  const auto shown = [&](const at::Tensor& x, nets::Source source, int step) {
    return bench.judge.prepare({x, {}, test::whole(batch, source), step, 0}).input.flatten();
  };
  for (int i = 0; i < steps; ++i) {
    const auto real = shown(rng.normal(Draw{Purpose::data, i}, 0, batch, 1), nets::Source::d_real, i);
    const auto fake = shown(rng.normal(Draw{Purpose::z_d, i}, 0, batch, 1) + shift, nets::Source::d_fake, i);
    const auto loss = discriminator_real_loss(d.logits(real), Loss::non_saturating, LossScale::sum, batch) +
                      discriminator_fake_loss(d.logits(fake), Loss::non_saturating, LossScale::sum, batch);
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

// Noise of deviation σ on both: slope −m/(1 + σ²), intercept m²/(2(1 + σ²)).
TEST(Games, InstanceNoiseFlattensTheOptimalDiscriminator) {
  const auto mean = train(2.0, 1e-2, 1.0);
  EXPECT_NEAR(mean.slope, -1.0, 0.03);
  EXPECT_NEAR(mean.intercept, 1.0, 0.03);
}

using Order = ObjectiveConfig::Order;
using test::SmallGame;
using test::SmallGameOptions;

// Reals at 0: with wasserstein losses V = ψ·θ, which D lowers and G raises.
SmallGameOptions bilinear(Order order) {
  SmallGameOptions options;
  options.theta = {-1}, options.psi = {1};  // x = −θ and y = ψ in V = xy
  options.objective.loss = Loss::wasserstein, options.objective.order = order;
  options.of_discriminator = options.of_generator = test::sgd(0.1);
  options.reals = [](int64_t, int64_t, int64_t rows) { return at::zeros({rows, 1}, at::kDouble); };
  return options;
}

// The whole step on one rank and on two: the same numbers.
void play(const SmallGameOptions& options, int iterations, const std::function<void(SmallGame&, int)>& look) {
  for (const int ranks : {1, 2})
    comm::run_thread_ranks(ranks, [&](comm::Communicator& communicator) {
      SmallGame game(options, communicator);
      for (int i = 0; i < iterations; ++i) {
        game.run();
        look(game, i + 1);
      }
    });
}

TEST(Games, SimultaneousPlayOfTheBilinearGameSpiralsOut) {
  play(bilinear(Order::simultaneous), 1000, [](SmallGame& game, int i) {
    ASSERT_NEAR(game.radius() / (std::sqrt(2.0) * std::pow(1.01, 0.5 * i)), 1, 1e-9) << i;
    if (i < 1000) return;
    EXPECT_NEAR(game.radius() / std::sqrt(2.0), 144.77, 0.005);
  });
}

// y ← y + ηx, x ← x − ηy conserves x² + y² + ηxy; the other way round x² + y² − ηxy.
TEST(Games, AlternatingPlayOfTheBilinearGameConservesItsEllipse) {
  for (const auto order : {Order::d_first, Order::g_first})
    play(bilinear(order), 1000, [&](SmallGame& game, int i) {
      const double x = -game.theta().item<double>(), y = game.psi().item<double>();
      const double sign = order == Order::d_first ? 1 : -1;
      ASSERT_NEAR(x * x + y * y + sign * 0.1 * x * y, 2.0 + sign * 0.1, 1e-9) << i;
      if (order != Order::d_first) return;
      ASSERT_GE(game.radius(), 1.4142) << i;
      ASSERT_LE(game.radius(), 1.4868) << i;
    });
}

// G = δ_θ, D = ψx, reals at 0, minimax: circles outwards, and R1 brings it home.
TEST(Games, R1LetsTheDiracGanConverge) {
  SmallGameOptions options = bilinear(Order::simultaneous);
  options.theta = {1}, options.psi = {-1};
  options.objective.loss = Loss::minimax;
  play(options, 2000, [](SmallGame& game, int i) {
    if (i < 2000) return;
    EXPECT_NEAR(game.radius(), 3.1006, 5e-5);
  });
  options.regularizers.r1.weight = 1.0;
  play(options, 200, [](SmallGame& game, int i) {
    if (i < 200) return;
    EXPECT_NEAR(game.radius(), 4.42e-4, 5e-7);
  });
}

// Reals at 1, fakes at 0, ψ by descent on −ψ + λ(ψ − 1)²: ψ = 1 + Δ/(2λ), L_D = −1.025.
TEST(Games, TheGradientPenaltyHoldsALinearCriticNearSlopeOne) {
  SmallGameOptions options;
  options.theta = {0}, options.psi = {0.3};
  options.objective.loss = Loss::wasserstein;
  options.regularizers.gradient_penalty.weight = 10;
  options.of_discriminator = test::sgd(0.02), options.of_generator = test::sgd(0.0);
  options.reals = [](int64_t, int64_t, int64_t rows) { return at::ones({rows, 1}, at::kDouble); };
  play(options, 100, [](SmallGame& game, int i) {
    if (i < 100) return;
    EXPECT_NEAR(game.psi().item<double>(), 1.05, 1e-8);
    const auto totals = game.step->totals();
    ASSERT_EQ(totals.terms.size(), 1u);
    EXPECT_NEAR(totals.grad_norm_d, 0, 1e-8);
  });
  options.global_batch = 1;  // one rank's share is the whole
  comm::run_thread_ranks(1, [&](comm::Communicator& communicator) {
    SmallGame game(options, communicator);
    for (int i = 0; i < 100; ++i) game.run();
    EXPECT_NEAR(game.step->totals().loss_d + game.step->totals().terms[0].second, -1.025, 1e-8);
  });
}

// At ℓ_fake = −10 minimax has lost its gradient, the non-saturating loss has not. Here ℓ = ψθ with ψ = 1.
TEST(Games, MinimaxSaturates) {
  for (const auto& [loss, gradient] : {std::pair{Loss::minimax, -4.54e-5}, std::pair{Loss::non_saturating, -0.99995}}) {
    SmallGameOptions options = bilinear(Order::g_first);
    options.theta = {-10}, options.psi = {1};
    options.objective.loss = loss;
    options.of_generator = test::sgd(1.0);
    play(options, 1, [gradient = gradient](SmallGame& game, int) {
      EXPECT_NEAR(game.theta().item<double>(), -10 - gradient, 1e-7 + 5e-6 * std::abs(gradient));
    });
  }
}

}  // namespace
}  // namespace ganymede::gan
