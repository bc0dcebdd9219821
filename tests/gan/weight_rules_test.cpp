// What is done to D's reduced gradient and to weights around an update (gan-systems, sections 5, 12 and 32).
#include <gtest/gtest.h>

#include "comm/solo.hpp"
#include "comm/thread_ranks.hpp"
#include "gan/gradient_clip.hpp"
#include "gan/historical_average.hpp"
#include "gan/small_game.hpp"
#include "gan/weight_clip.hpp"

namespace ganymede::gan {
namespace {

using test::SmallGame;
using test::SmallGameOptions;
using test::vector;

FlatWeights weights_with(const std::vector<double>& parameters, const std::vector<double>& gradients) {
  return {vector(parameters), vector(gradients)};
}

at::Tensor limited(const GradientClipConfig& config, const std::vector<double>& gradient, Player player = Player::discriminator) {
  const auto weights = weights_with(std::vector<double>(gradient.size(), 0.0), gradient);
  make_gradient_clip(config)->limit(player, weights);
  return weights.gradients;
}

TEST(GradientClip, KeepsTheDirectionAndLimitsTheLength) {
  EXPECT_TRUE(at::allclose(limited({1.0, 0.0}, {3, 4}), vector({0.6, 0.8}), 0, 1e-6));
  EXPECT_TRUE(at::allclose(limited({1.0, 0.0}, {3, 4}), vector({3, 4}) / (5 + 1e-6), 1e-15)) << "c/(n + 1e-6)";
  EXPECT_TRUE(at::equal(limited({5.1, 0.0}, {3, 4}), vector({3, 4}))) << "below c no bit changes";
  EXPECT_TRUE(at::equal(limited({1.0, 0.0}, {3, 4}, Player::generator), vector({3, 4}))) << "D's only";
}

TEST(GradientClip, LimitsElements) {
  EXPECT_TRUE(at::equal(limited({0.0, 0.5}, {3, -0.2, -4}), vector({0.5, -0.2, -0.5})));
  EXPECT_TRUE(at::equal(limited({0.0, 0.5}, {3, -4}, Player::generator), vector({3, -4})));
}

// Rank gradients (6,0) and (0,8): the sum is clipped to (.6,.8); clipped before the sum they would give (1,1), or (.5,.5) as a mean.
TEST(GradientClip, ActsOnTheSumOverRanks) {
  SmallGameOptions options;
  options.theta = options.psi = {0, 0};
  options.objective.loss = Loss::wasserstein;
  options.global_batch = 2;
  options.of_discriminator = test::sgd(1.0), options.of_generator = test::sgd(0.0);
  options.reals = [](int64_t, int64_t first, int64_t rows) { return vector({-12, 0, 0, -16}).view({2, 2}).slice(0, first, first + rows); };
  for (const bool clips : {true, false}) {
    options.tricks.gradient_clip.norm = clips ? 1.0 : 0.0;
    for (const int ranks : {1, 2})
      comm::run_thread_ranks(ranks, [&](comm::Communicator& communicator) {
        SmallGame game(options, communicator);
        game.run();
        const auto expected = clips ? vector({-0.6, -0.8}) : vector({-6, -8});
        EXPECT_TRUE(at::allclose(game.psi(), expected, 0, 1e-6)) << ranks << " ranks: " << game.psi();
        EXPECT_NEAR(game.step->totals().grad_norm_d, 10, 1e-12) << "reported as it was before clipping";
      });
  }
}

TEST(WeightClip, BoundsDiscriminatorsWeightsFromTheStart) {
  const auto hook = make_weight_clip(WeightClipConfig{0.01});
  const auto of_d = weights_with({0.5, -0.005, -3}, {0, 0, 0}), of_g = weights_with({0.5, -3}, {0, 0});
  hook->start(Player::generator, of_g);
  hook->after(Player::generator, of_g, 1);
  EXPECT_TRUE(at::equal(of_g.parameters, vector({0.5, -3})));
  hook->start(Player::discriminator, of_d);
  EXPECT_TRUE(at::equal(of_d.parameters, vector({0.01, -0.005, -0.01}))) << "before the first step";
  of_d.parameters.copy_(vector({-0.02, 0.002, 0.02}));
  hook->after(Player::discriminator, of_d, 1);
  EXPECT_TRUE(at::equal(of_d.parameters, vector({-0.01, 0.002, 0.01})));
}

// f = ψx on N(0,1) against N(±1,1): ψ ends on the bound, and −L_D is bound·W1 = .01·1.
TEST(WeightClip, LetsALinearCriticMeasureTheDistance) {
  for (const double shift : {1.0, -1.0}) {
    SmallGameOptions options;
    options.theta = {shift}, options.psi = {0.7};
    options.scale = 1.0;
    options.objective.loss = Loss::wasserstein;
    options.regularizers.weight_clip.bound = 0.01;
    options.global_batch = 64;
    options.of_discriminator.kind = OptimizerConfig::Kind::rmsprop, options.of_discriminator.lr = 5e-5;
    options.of_generator = test::sgd(0.0);
    const Rng rng(77);
    options.reals = [&](int64_t step, int64_t first, int64_t rows) { return rng.normal(Draw{Purpose::data, step}, first, rows, 1); };
    const auto communicator = comm::solo();
    SmallGame game(options, *communicator);
    EXPECT_EQ(game.psi().item<double>(), 0.01) << "the start, clipped";
    double estimate = 0;
    for (int i = 0; i < 1000; ++i) {
      game.run();
      ASSERT_LE(game.psi().abs().item<double>(), 0.01) << "step " << i;
      if (i >= 800) estimate -= game.step->totals().loss_d / 200;
    }
    EXPECT_NEAR(game.psi().item<double>(), shift > 0 ? -0.01 : 0.01, 5e-4);
    EXPECT_NEAR(estimate, 0.01, 5e-4);
  }
}

// History 1, 3 and now 5 (before its own update of the mean is made): mean 3 of all three once 5 has joined.
TEST(HistoricalAverage, PullsToTheMeanOfThePast) {
  const auto hook = make_historical_average(HistoricalAverageConfig{1.0, 0.0, HistoricalAverageConfig::Which::d});
  const auto weights = weights_with({1}, {0}), of_g = weights_with({1}, {0});
  hook->start(Player::discriminator, weights), hook->start(Player::generator, of_g);
  weights.parameters.fill_(3.0), hook->after(Player::discriminator, weights, 1);
  weights.parameters.fill_(5.0), hook->after(Player::discriminator, weights, 2);
  weights.gradients.fill_(0.25);
  const auto term = hook->add(Player::discriminator, weights);
  EXPECT_DOUBLE_EQ(hook->flat_state().at(0).tensor.item<double>(), 3.0);
  EXPECT_DOUBLE_EQ(weights.gradients.item<double>(), 4.25) << "2w(5 − 3) joins the gradient";
  ASSERT_TRUE(term);
  EXPECT_DOUBLE_EQ(term->second, 4.0);
  of_g.parameters.fill_(9.0);
  EXPECT_FALSE(hook->add(Player::generator, of_g));
  EXPECT_EQ(of_g.gradients.item<double>(), 0.0) << "D's only";
}

// Second step: gradient 10 and pull 2(−1 + ½), cut to 1 together; a pull behind the cut would undo the step.
TEST(HistoricalAverage, JoinsTheGradientBeforeItIsClipped) {
  SmallGameOptions options;
  options.objective.loss = Loss::wasserstein;
  options.regularizers.historical_averaging.weight = 1.0, options.tricks.gradient_clip.norm = 1.0;
  options.of_discriminator = test::sgd(1.0), options.of_generator = test::sgd(0.0);
  options.reals = [](int64_t, int64_t, int64_t rows) { return at::full({rows, 1}, -10.0, at::kDouble); };
  const auto communicator = comm::solo();
  SmallGame game(options, *communicator);
  game.run();
  EXPECT_NEAR(game.psi().item<double>(), -1, 1e-6);
  game.run();
  EXPECT_NEAR(game.step->totals().grad_norm_d, 9, 1e-6);
  EXPECT_NEAR(game.psi().item<double>(), -2, 1e-6);
}

TEST(HistoricalAverage, ForgetsThroughAWindow) {
  const auto hook = make_historical_average(HistoricalAverageConfig{0.5, 0.75, HistoricalAverageConfig::Which::both});
  const auto weights = weights_with({1}, {0});
  for (const auto player : {Player::generator, Player::discriminator}) {
    weights.parameters.fill_(1.0), weights.gradients.fill_(0.0);
    hook->start(player, weights);
    weights.parameters.fill_(5.0), hook->after(player, weights, 1);  // .75·1 + .25·5 = 2
    weights.parameters.fill_(6.0), hook->after(player, weights, 2);  // .75·2 + .25·6 = 3
    hook->add(player, weights);
    EXPECT_DOUBLE_EQ(weights.gradients.item<double>(), 3.0) << "2·.5·(6 − 3)";
  }
}

// V = xy, η = .1, both at once from (1,1), 1,000 steps: the pull turns a growing spiral into a shrinking one. The same on two ranks,
// where a term inside the ranks' losses would count twice.
TEST(HistoricalAverage, CalmsTheBilinearGame) {
  SmallGameOptions options;
  options.theta = {1}, options.psi = {1};
  options.objective.loss = Loss::wasserstein, options.objective.order = ObjectiveConfig::Order::simultaneous;
  options.of_discriminator = options.of_generator = test::sgd(0.1);
  options.reals = [](int64_t, int64_t, int64_t rows) { return at::zeros({rows, 1}, at::kDouble); };
  for (const double weight : {0.0, 0.5}) {
    options.regularizers.historical_averaging.weight = weight;
    for (const int ranks : {1, 2})
      comm::run_thread_ranks(ranks, [&](comm::Communicator& communicator) {
        SmallGame game(options, communicator);
        for (int i = 0; i < 1000; ++i) game.run();
        EXPECT_NEAR(game.radius(), weight > 0 ? 0.157755 : 204.74, weight > 0 ? 1e-6 : 5e-3) << ranks << " ranks";
      });
  }
}

}  // namespace
}  // namespace ganymede::gan
