#include "gan/optimizer.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "gan/average.hpp"
#include "nets/architectures.hpp"

namespace ganymede::gan {
namespace {

FlatWeights one(double value) { return {at::full({1}, value, at::kDouble), at::zeros({1}, at::kDouble)}; }

double move(Optimizer& optimizer, FlatWeights& weights, double gradient) {
  const double before = weights.parameters.item<double>();
  weights.gradients.fill_(gradient);
  optimizer.step();
  return weights.parameters.item<double>() - before;
}

// Closed forms of gan-systems, section 2.
TEST(Adam, TakesItsKnownSteps) {
  auto weights = one(0);
  Optimizer adam({}, weights);
  EXPECT_NEAR(move(adam, weights, 1), -2.0e-4, 1e-10);
  EXPECT_NEAR(move(adam, weights, 3), -2.086579e-4, 1e-10);
  auto others = one(0);
  Optimizer turning({}, others);
  move(turning, others, 1);
  EXPECT_NEAR(move(turning, others, -1), 6.666667e-5, 1e-10);
  auto wrong = one(0);
  OptimizerConfig config;
  config.beta2 = 0.5;
  Optimizer other_beta(config, wrong);
  move(other_beta, wrong, 1);
  EXPECT_NEAR(move(other_beta, wrong, 3), -1.854345e-4, 1e-10);
}

// The gaps between parameters in the flat tensor must stay zero for ever.
TEST(Adam, LeavesZerosAlone) {
  auto weights = one(0);
  Optimizer adam({}, weights);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(move(adam, weights, 0), 0.0);
}

TEST(Sgd, GoesDownTheGradient) {
  OptimizerConfig config;
  config.kind = OptimizerConfig::Kind::sgd;
  config.lr = 0.5;
  auto weights = one(1);
  Optimizer sgd(config, weights);
  EXPECT_DOUBLE_EQ(move(sgd, weights, 2), -1.0);
}

// Section 12's first step; the second against PyTorch's formula: v = .99·.04 + .01·1.
TEST(RmsProp, TakesItsKnownSteps) {
  OptimizerConfig config;
  config.kind = OptimizerConfig::Kind::rmsprop;
  config.lr = 5e-5;
  auto weights = one(0);
  Optimizer rmsprop(config, weights);
  EXPECT_NEAR(move(rmsprop, weights, 2), -4.99999975e-4, 1e-12);
  EXPECT_NEAR(move(rmsprop, weights, -1), 5e-5 / (std::sqrt(0.99 * 0.04 + 0.01) + 1e-8), 1e-15);
  EXPECT_FALSE(rmsprop.exp_avg().defined());
  auto zeros = one(0);
  Optimizer still(config, zeros);
  EXPECT_EQ(move(still, zeros, 0), 0.0);
}

// Section 40.
TEST(LearningRate, FallsToItsEnd) {
  OptimizerConfig config;
  config.lr = 1;
  config.schedule = OptimizerConfig::Schedule::cosine;
  fix_schedule(config, 1000, "optimizer.generator");
  EXPECT_NEAR(learning_rate(config, 250), 0.853553, 1e-6);
  EXPECT_NEAR(learning_rate(config, 500), 0.5, 1e-15);
  EXPECT_NEAR(learning_rate(config, 1000), 0.0, 1e-15);
  EXPECT_NEAR(learning_rate(config, 5000), 0.0, 1e-15);
  config.schedule = OptimizerConfig::Schedule::linear;
  config.schedule_start = 500;
  EXPECT_DOUBLE_EQ(learning_rate(config, 400), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate(config, 750), 0.5);
  config.end_lr = 0.2;
  EXPECT_DOUBLE_EQ(learning_rate(config, 750), 0.6);
  fix_schedule(config, 9000, "optimizer.generator");
  EXPECT_EQ(*config.schedule_steps, 1000) << "a longer run keeps the curve";
  config.schedule_start = 1000;
  EXPECT_THROW(fix_schedule(config, 9000, "optimizer.generator"), Error);
  config.schedule_start = 0, config.end_lr = 1.5;
  EXPECT_THROW(fix_schedule(config, 9000, "optimizer.generator"), Error);
}

TEST(LearningRate, WarmsUp) {
  OptimizerConfig config;
  config.lr = 1;
  config.warmup_steps = 100;
  EXPECT_DOUBLE_EQ(learning_rate(config, 0), 0.01);
  EXPECT_DOUBLE_EQ(learning_rate(config, 49), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(config, 99), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate(config, 1000), 1.0);
}

TEST(LearningRate, DecaysSmoothly) {
  OptimizerConfig config;
  config.lr = 1;
  EXPECT_EQ(learning_rate(config, 5000), 1.0);
  config.schedule = OptimizerConfig::Schedule::exponential;
  EXPECT_NEAR(learning_rate(config, 0), 1.0, 1e-15);
  EXPECT_NEAR(learning_rate(config, 500), 0.974679, 1e-6);
  EXPECT_NEAR(learning_rate(config, 1000), 0.95, 1e-12);
  EXPECT_NEAR(learning_rate(config, 10000), 0.598737, 1e-6);
}

TEST(LearningRate, ChangesAtOneStep) {
  OptimizerConfig config;
  config.lr = 1, config.end_lr = 20;
  config.schedule = OptimizerConfig::Schedule::step;
  config.schedule_start = 3000;
  EXPECT_EQ(learning_rate(config, 0), 1.0);
  EXPECT_EQ(learning_rate(config, 2999), 1.0);
  EXPECT_EQ(learning_rate(config, 3000), 20.0);
  EXPECT_EQ(learning_rate(config, 100000), 20.0);
}

TEST(LearningRate, FollowsItsOwnNetworksSteps) {
  OptimizerConfig config;
  config.schedule = OptimizerConfig::Schedule::exponential;
  auto weights = one(0);
  Optimizer adam(config, weights);
  adam.set_steps_done(700);
  move(adam, weights, 1);
  EXPECT_DOUBLE_EQ(adam.last_learning_rate(), 2e-4 * std::pow(0.95, 0.7));
  EXPECT_EQ(adam.steps_done(), 701);
}

TEST(Average, DecaysAsItsClosedForm) {
  const AverageConfig config{0.999};
  EXPECT_NEAR(average_decay(config, 1, 64), 2.0 / 11.0, 1e-15);
  EXPECT_EQ(average_decay(config, 1'000'000, 64), 0.999);
  // Constant target 1 from 0; the ramp is off once t is large: 1 − 0.999^1000 (section 27).
  auto source = nets::make_generator({nets::Kind::mlp, 1, 1}, {1, nets::Prior::normal}, {true, 0, 0, 0, 1});
  auto copy = nets::make_generator({nets::Kind::mlp, 1, 1}, {1, nets::Prior::normal}, {true, 0, 0, 0, 1});
  const auto flat = at::zeros({3}, at::kDouble), target = at::ones({3}, at::kDouble);
  Average average(config, copy, flat, source, target, 64);
  for (int64_t t = 1; t <= 1000; ++t) average.update(1'000'000 + t);
  EXPECT_NEAR(flat[0].item<double>(), 0.632305, 1e-6);
  for (const auto& p : copy->parameters()) EXPECT_FALSE(p.requires_grad());
  for (const auto& p : source->parameters()) EXPECT_TRUE(p.requires_grad());
}

// Section 27: 0.999^692.8 = ½, so that the way left to a constant target is halved between the 692nd and the 693rd update.
TEST(Average, HalvesWhatIsLeftInItsHalfLife) {
  const auto network = [] { return nets::make_generator({nets::Kind::mlp, 1, 1}, {1, nets::Prior::normal}, {true, 0, 0, 0, 1}); };
  const auto flat = at::zeros({3}, at::kDouble);
  Average average({0.999}, network(), flat, network(), at::ones({3}, at::kDouble), 64);
  int64_t updates = 0;
  double before = 0;
  for (; flat[0].item<double>() < 0.5 && updates < 2000; ++updates) {
    before = flat[0].item<double>();
    average.update(1'000'000 + updates);
  }
  EXPECT_EQ(updates, 693);
  EXPECT_NEAR(692 + std::log(0.5 / (1.0 - before)) / std::log(0.999), 692.8, 0.01);
}

// h in images, whatever the batch; the ramp holds it to a share of what was shown; the first `start` steps copy.
TEST(Average, HalvesOverAsManyImagesAsAsked) {
  const AverageConfig config{.half_life_kimg = 10.0};
  for (const int64_t batch : {32, 500}) {
    double left = 1.0;
    for (int64_t t = 1; t <= 10'000 / batch * 20; ++t)
      if (t > 10'000 / batch * 19) left *= average_decay(config, t, batch);  // late, where the cap for short runs is past
    EXPECT_NEAR(left, 0.5, batch == 32 ? 0.002 : 0.05);
  }
  const AverageConfig ramped{.half_life_kimg = 10.0, .half_life_ramp = 0.05};
  EXPECT_NEAR(average_decay(ramped, 100, 64), std::pow(0.5, 1.0 / (0.05 * 100)), 1e-12);
  EXPECT_NEAR(average_decay(ramped, 1'000'000, 64), std::pow(0.5, 64.0 / 10'000.0), 1e-12);
  EXPECT_EQ(average_decay({.start = 5}, 5, 64), 0.0);
  EXPECT_GT(average_decay({.start = 5}, 6, 64), 0.0);
}

}  // namespace
}  // namespace ganymede::gan
