// Penalties on D's slope and values: their closed forms (gan-systems, sections 13 and 14) and exact second derivatives.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "gan/dragan.hpp"
#include "gan/drift.hpp"
#include "gan/gradient_penalty.hpp"
#include "gan/r1.hpp"
#include "gan/small_judge.hpp"
#include "nets/thread_statistics.hpp"

namespace ganymede::gan {
namespace {

using test::Bowl;
using test::discriminator_of;
using test::Slope;
using test::SmallJudge;
using test::vector;
using test::with_input;

GradientPenaltyConfig penalty_of(double weight) {
  GradientPenaltyConfig config;
  config.weight = weight;
  return config;
}

at::Tensor penalty(const GradientPenaltyConfig& config, const at::Tensor& real, const at::Tensor& fake, const Judge& judge,
                   int64_t step = 0) {
  return make_gradient_penalty(config)->on_both(with_input(real, step), with_input(fake, step), judge);
}

TEST(GradientPenalty, OfALinearCriticIsItsClosedForm) {
  SmallJudge bench(2, discriminator_of<Slope>(vector({3, 4})));
  const auto value = penalty(penalty_of(10), at::randn({2, 2}, at::kDouble), at::randn({2, 2}, at::kDouble), bench.judge);
  EXPECT_NEAR(value.item<double>(), 160, 1e-8);
  EXPECT_TRUE(at::allclose(bench.gradient(value), vector({48, 64}), 1e-9));
}

// s_i = |a|·‖x̂_i‖ tells where x̂ lies: α of a sample weighs its real.
TEST(GradientPenalty, LooksBetweenRealAndFake) {
  SmallJudge bench(3, discriminator_of<Bowl>(-2.0));
  const auto real = bench.rng.normal(Draw{Purpose::data, 0}, 0, 3, 8).view({3, 2, 2, 2}), fake = real * 0.2 - 1.0;
  const auto alpha = bench.rng.uniform(Draw{Purpose::gp_alpha, 5, 0}, 0, 3, 1).view({3, 1, 1, 1});
  const auto norm = 2.0 * (alpha * real + (1.0 - alpha) * fake).flatten(1).square().sum(1).sqrt();
  EXPECT_NEAR(penalty(penalty_of(10), real, fake, bench.judge, 5).item<double>(), 10 * (norm - 1.0).square().mean().item<double>(), 1e-8);
}

// Norms 0 and 4: one norm over the whole batch would give 9λ.
TEST(GradientPenalty, TakesTheNormOfEachSample) {
  SmallJudge bench(2, discriminator_of<Bowl>(1.0));
  const auto x = vector({0, 0, 4, 0}).view({2, 2});
  auto config = penalty_of(0.7);
  EXPECT_NEAR(penalty(config, x, x, bench.judge).item<double>(), 5 * 0.7, 1e-4);
  config.sides = GradientPenaltyConfig::Sides::one;
  EXPECT_NEAR(penalty(config, x, x, bench.judge).item<double>(), 4.5 * 0.7, 1e-8) << "one-sided: a slope below 1 is free";
  config.target = 2, config.sides = GradientPenaltyConfig::Sides::two;
  EXPECT_NEAR(penalty(config, x, x, bench.judge).item<double>(), 0.7, 1e-4) << "(s/τ − 1)², τ = 2";
}

TEST(GradientPenalty, OfAFlatCriticHasAFiniteGradient) {
  SmallJudge bench(2, discriminator_of<Slope>(vector({0, 0})));
  const auto value = penalty(penalty_of(10), at::ones({2, 2}, at::kDouble), at::zeros({2, 2}, at::kDouble), bench.judge);
  EXPECT_NEAR(value.item<double>(), 10, 1e-3);
  EXPECT_TRUE(at::isfinite(bench.gradient(value)).all().item<bool>());
}

TEST(GradientPenalty, CanBeLazy) {
  SmallJudge bench(1, discriminator_of<Slope>(vector({3, 4})));
  auto config = penalty_of(10);
  config.every_steps = 4;
  const auto x = at::ones({1, 2}, at::kDouble);
  for (const int64_t step : {0, 4, 8}) EXPECT_NEAR(penalty(config, x, x, bench.judge, step).item<double>(), 4 * 160, 1e-6) << step;
  for (const int64_t step : {1, 2, 3, 5}) EXPECT_FALSE(penalty(config, x, x, bench.judge, step).defined()) << step;
}

std::shared_ptr<nets::Network> two_convolutions(bool smooth) {
  auto network = std::make_shared<nets::Network>("discriminator");
  network->add<nets::Conv2d>(nets::ConvShape{2, 3, 3, 1, 1, true});
  if (smooth)
    network->add<nets::Elu>();
  else
    network->add<nets::LeakyReLU>(0.2);
  network->add<nets::Conv2d>(nets::ConvShape{3, 1, 4, 1, 0, true});
  if (smooth) network->add<nets::Elu>();  // a bend at the end: biases matter
  network->add<nets::Reshape>(std::vector<int64_t>{});
  network->to(at::kDouble);
  at::NoGradGuard no_graph;
  const Rng rng(4);
  int64_t place = 0;
  for (auto& p : network->parameters()) p.copy_(rng.normal(Draw{Purpose::init}, place++, 1, p.numel()).view(p.sizes()) * 0.5);
  return network;
}

// Of each weight of D: the derivative by autograd through the slope, against central differences.
void expect_exact_derivatives(SmallJudge& bench, const std::function<at::Tensor()>& value) {
  const auto exact = bench.gradient(value());
  EXPECT_GT(exact.abs().max().item<double>(), 0.1) << "something to compare";
  std::vector<double> numeric;
  constexpr double h = 1e-5;
  for (auto& p : bench.network->parameters()) {
    auto flat = p.detach().view({-1});
    for (int64_t i = 0; i < flat.size(0); ++i) {
      const double start = flat[i].item<double>();
      flat[i] = start + h;
      const double above = value().item<double>();
      flat[i] = start - h;
      const double below = value().item<double>();
      flat[i] = start;
      numeric.push_back((above - below) / (2 * h));
    }
  }
  const auto error = (exact - vector(numeric)).abs() / (exact.abs() + 1e-2);
  EXPECT_LE(error.max().item<double>(), 1e-5);
}

TEST(SecondDerivatives, OfAConvolutionalCriticAreExact) {
  for (const bool smooth : {false, true}) {
    SmallJudge bench(3, two_convolutions(smooth));
    const auto real = bench.rng.normal(Draw{Purpose::data, 1}, 0, 3, 32).view({3, 2, 4, 4});
    const auto fake = bench.rng.normal(Draw{Purpose::z_d, 1}, 0, 3, 32).view({3, 2, 4, 4});
    expect_exact_derivatives(bench, [&] { return penalty(penalty_of(10), real, fake, bench.judge); });
    expect_exact_derivatives(bench, [&] {
      auto judged = with_input(real.clone().requires_grad_(true));
      bench.judge.ask(judged);
      return make_r1(R1Config{10})->on_real(judged, bench.judge);
    });
    expect_exact_derivatives(bench, [&] { return make_dragan(DraganConfig{10})->on_both(with_input(real), {}, bench.judge); });
  }
}

TEST(R1, IsTheSquaredSlopeAtReals) {
  SmallJudge bench(2, discriminator_of<Slope>(vector({3, 4})));
  R1Config config{10, 2};
  const auto at_step = [&](int64_t step) {
    auto judged = with_input(at::randn({2, 2}, at::kDouble).requires_grad_(true), step);
    bench.judge.ask(judged);
    return make_r1(config)->on_real(judged, bench.judge);
  };
  EXPECT_FALSE(at_step(3).defined());
  EXPECT_NEAR(at_step(4).item<double>(), 2 * 125, 1e-9) << "lazy: times the interval";
  config.every_steps = 1;
  const auto value = at_step(3);
  EXPECT_NEAR(value.item<double>(), 125, 1e-9);
  EXPECT_TRUE(at::allclose(bench.gradient(value), vector({30, 40})));
}

TEST(Dragan, OfALinearCriticIsItsClosedForm) {
  SmallJudge bench(2, discriminator_of<Slope>(vector({3, 4})));
  const auto value = make_dragan(DraganConfig{10})->on_both(with_input(at::randn({2, 2}, at::kDouble)), {}, bench.judge);
  EXPECT_NEAR(value.item<double>(), 160, 1e-8);
  EXPECT_TRUE(at::allclose(bench.gradient(value), vector({48, 64}), 1e-9));
}

// x̂ = x + α·½·std·u, u in the order of a sample on disk, std over all elements (population).
TEST(Dragan, LooksNearTheReals) {
  SmallJudge bench(3, discriminator_of<Bowl>(1.0));
  const auto x = bench.rng.normal(Draw{Purpose::data, 0}, 0, 3, 12).view({3, 2, 2, 3}) + 1.0;
  const auto u = bench.rng.uniform(Draw{Purpose::perturb, 2, 0}, 0, 3, 12).view({3, 2, 3, 2}).permute({0, 3, 1, 2});
  const auto alpha = bench.rng.uniform(Draw{Purpose::gp_alpha, 2, 1}, 0, 3, 1).view({3, 1, 1, 1});
  const auto point = x + alpha * 0.5 * (x - x.mean()).square().mean().sqrt() * u;
  const auto norm = point.flatten(1).square().sum(1).sqrt();
  const double value = make_dragan(DraganConfig{10})->on_both(with_input(x, 2), {}, bench.judge).item<double>();
  EXPECT_NEAR(value, 10 * (norm - 1.0).square().mean().item<double>(), 1e-8);
}

TEST(Drift, IsAMeanNotASum) {
  SmallJudge bench(2);
  EXPECT_NEAR(make_drift(DriftConfig{0.001})->on_real(test::with_outputs(vector({1, 3})), bench.judge).item<double>(), 0.005, 1e-15);
}

// Values and gradients of ranks add up to those of one; DRAGAN's deviation is one number for all ranks.
TEST(Penalties, AddUpOverRanks) {
  const std::vector<int64_t> starts{0, 2, 5};
  const Rng rng(6);
  const auto real = rng.normal(Draw{Purpose::data, 0}, 0, 5, 32).view({5, 2, 4, 4}) * vector({1, 1, 3, 3, 3}).view({5, 1, 1, 1});
  const auto fake = rng.normal(Draw{Purpose::z_d, 0}, 0, 5, 32).view({5, 2, 4, 4});
  const auto gradient_penalty = make_gradient_penalty(penalty_of(10));
  const auto dragan = make_dragan(DraganConfig{10});
  for (auto* term : {gradient_penalty.get(), dragan.get()}) {
    SmallJudge one(5, two_convolutions(true));
    const auto value = term->on_both(with_input(real, 1), with_input(fake, 1), one.judge);
    const auto gradient = one.gradient(value);
    std::vector<double> values(2);
    std::vector<at::Tensor> gradients(2);
    const auto on_rank = [&](int rank, nets::BatchStatistics* statistics) {
      SmallJudge bench(5, two_convolutions(true), statistics);
      const auto range = nets::range_of(starts, rank);
      const auto own_real = with_input(nets::slice_of(real, starts, rank), range, 1);
      const auto own_fake = with_input(nets::slice_of(fake, starts, rank), range, 1);
      const auto part = term->on_both(own_real, own_fake, bench.judge);
      values[rank] = part.item<double>(), gradients[rank] = bench.gradient(part);
    };
    nets::on_ranks(2, [&](int rank, nets::BatchStatistics& statistics) { on_rank(rank, &statistics); });
    EXPECT_NEAR(values[0] + values[1], value.item<double>(), 1e-11) << term->key();
    EXPECT_TRUE(at::allclose(gradients[0] + gradients[1], gradient, 1e-10, 1e-12)) << term->key();
    if (term != dragan.get()) continue;
    for (int rank = 0; rank < 2; ++rank) on_rank(rank, nullptr);
    EXPECT_GT(std::abs(values[0] + values[1] - value.item<double>()), 1e-3) << "deviations of the ranks' own would be seen";
  }
}

}  // namespace
}  // namespace ganymede::gan
