// Closed forms of games between two players: they catch mistakes of sign and of reduction (gan-systems, section 30).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "comm/thread_ranks.hpp"
#include "gan/small_game.hpp"

namespace ganymede::gan {
namespace {

using test::SmallGame;
using test::SmallGameOptions;

struct Averages {
  double loss = 0, probability = 0, slope = 0, intercept = 0;
};

// Trains ℓ(x) = a·x + b on N(0,1) against N(shift,1) for 2,000 steps by the whole step; averages of the last 200. `noise`: deviation of
// instance noise.
Averages train(int ranks, double shift, double lr, double noise = 0.0) {
  constexpr int steps = 2000, last = 200;
  SmallGameOptions options;
  options.has_intercept = true, options.psi = {0, 0};
  options.theta = {shift}, options.scale = 1.0, options.of_generator = test::sgd(0.0);
  options.of_discriminator.lr = lr, options.global_batch = 2000;
  options.tricks.instance_noise.deviation = noise;
  options.reals = [](int64_t s, int64_t place, int64_t rows) { return Rng(1).normal(Draw{Purpose::data, s}, place, rows, 1); };
  Averages mean;
  comm::run_thread_ranks(ranks, [&](comm::Communicator& communicator) {
    SmallGame game(options, communicator);
    auto sums = at::zeros({2}, at::kDouble), weights = at::zeros({2}, at::kDouble);
    for (int i = 0; i < steps; ++i) {
      game.run();
      if (i < steps - last) continue;
      sums += test::vector({game.step->totals().loss_d, game.step->totals().d_real});
      weights += game.psi();
    }
    communicator.all_reduce_sum(sums, "averages", Deadline::in(std::chrono::seconds(60)));
    if (communicator.rank() > 0) return;
    sums /= last, weights /= last;
    mean = {sums[0].item<double>(), sums[1].item<double>(), weights[0].item<double>(), weights[1].item<double>()};
  });
  return mean;
}

TEST(Games, EqualDistributionsEndAtLog4) {
  for (const int ranks : {1, 2}) {
    const auto mean = train(ranks, 0.0, 1e-3);
    EXPECT_NEAR(mean.loss, 1.386294, 0.01) << ranks;
    EXPECT_NEAR(mean.probability, 0.5, 0.01) << ranks;
  }
}

// ℓ*(x) = m²/2 − m·x for N(0,1) against N(m,1); the least loss is log 4 − 2·JSD.
TEST(Games, TheOptimalDiscriminatorIsTheLogRatio) {
  for (const int ranks : {1, 2}) {
    const auto mean = train(ranks, 2.0, 1e-2);
    EXPECT_NEAR(mean.slope, -2.0, 0.06) << ranks;
    EXPECT_NEAR(mean.intercept, 2.0, 0.06) << ranks;
    EXPECT_NEAR(mean.loss, 0.712633, 0.02) << ranks;
  }
}

// Noise of deviation σ on both: slope −m/(1 + σ²), intercept m²/(2(1 + σ²)).
TEST(Games, InstanceNoiseFlattensTheOptimalDiscriminator) {
  const auto mean = train(1, 2.0, 1e-2, 1.0);
  EXPECT_NEAR(mean.slope, -1.0, 0.03);
  EXPECT_NEAR(mean.intercept, 1.0, 0.03);
}

using Order = ObjectiveConfig::Order;

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

SmallGameOptions at_distance(double d) {
  SmallGameOptions options;
  options.theta = {d};
  options.of_discriminator = options.of_generator = test::sgd(0.0);
  options.reals = [](int64_t, int64_t, int64_t rows) { return at::zeros({rows, 1}, at::kDouble); };
  return options;
}

double over_ranks(SmallGame& game, double own) {
  auto sum = at::full({1}, own, at::kDouble);
  game.communicator().all_reduce_sum(sum, "share", Deadline::in(std::chrono::seconds(60)));
  return sum.item<double>();
}

// Reals at 0, fakes at d, and a D that is sure of both: JSD = log 2 however far they are apart, and no slope leads G home.
TEST(Games, SeparatedSupportsLeaveNoGradientBehindAnOptimalDiscriminator) {
  for (const double d : {0.5, 3.0}) {
    auto options = at_distance(d);
    options.has_intercept = true, options.psi = {-100 / d, 50};  // ±50, the boundary half way
    options.objective.loss = Loss::minimax;
    play(options, 1, [](SmallGame& game, int) {
      EXPECT_NEAR(0.5 * (std::log(4.0) - over_ranks(game, game.step->totals().loss_d)), 0.693147, 1e-6);
      EXPECT_NEAR(game.step->totals().grad_norm_g, 0, 1e-15);
    });
  }
}

// The same supports and a linear critic held to slope one: it sees W1 = d, up to the d/(2λ) that the penalty gives way, and so does G.
TEST(Games, SeparatedSupportsHaveTheirDistanceForACritic) {
  constexpr double weight = 1e4;
  for (const double d : {0.5, 3.0}) {
    auto options = at_distance(d);
    options.psi = {-0.3};
    options.objective.loss = Loss::wasserstein, options.regularizers.gradient_penalty.weight = weight;
    options.of_discriminator = test::sgd(0.25 / weight);  // half of the Newton step
    play(options, 60, [&](SmallGame& game, int i) {
      const double loss = over_ranks(game, game.step->totals().loss_d);
      if (i < 60) return;
      EXPECT_NEAR(-loss, d * (1 + d / (2 * weight)), 1e-8);
      EXPECT_NEAR(game.step->totals().grad_norm_g, 1 + d / (2 * weight), 1e-8);
    });
  }
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
