// The first terms of both players' losses: their closed forms (gan-systems, sections 1, 4, 14 and 43) on one rank and on two.
#include "gan/adversary.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "gan/small_judge.hpp"
#include "gan/targets.hpp"
#include "nets/thread_statistics.hpp"

namespace ganymede::gan {
namespace {

using test::SmallJudge;
using test::vector;
using test::with_outputs;

at::Tensor leaf(const std::vector<double>& values) { return vector(values).requires_grad_(true); }

struct Both {
  double d = 0, g = 0;
  at::Tensor d_real, d_fake, g_real, g_fake;  // gradients of the outputs
};

// A rank's share of both losses, and the gradients.
Both relativistic(const at::Tensor& real, const at::Tensor& fake, const nets::RowRange& range, SmallJudge& bench,
                  LossScale scale = LossScale::sum) {
  const auto adversary = make_adversary(Loss::relativistic, scale, {});
  Both both;
  for (const bool is_d : {true, false}) {
    const auto r = real.detach().clone().requires_grad_(true), f = fake.detach().clone().requires_grad_(true);
    const auto on_real = with_outputs(r, range), on_fake = with_outputs(f, range);
    const auto loss = is_d ? adversary->on_both(on_real, on_fake, bench.judge) : adversary->value(on_fake, on_real, bench.judge);
    loss.backward();
    (is_d ? both.d : both.g) = loss.item<double>();
    (is_d ? both.d_real : both.g_real) = r.grad(), (is_d ? both.d_fake : both.g_fake) = f.grad();
  }
  return both;
}

TEST(Relativistic, MeetsItsClosedForms) {
  SmallJudge bench(1);
  const auto both = relativistic(vector({2}), vector({-1}), test::whole(1), bench);
  EXPECT_NEAR(both.d, 0.048587, 1e-6);
  EXPECT_NEAR(both.g, 3.048587, 1e-6);
  // dL_D/dℓ_real = ½[−σ(−3) − σ(−3)]: the real's own part and the one through the mean of the reals.
  EXPECT_NEAR(both.d_real.item<double>(), -0.047426, 1e-6);
  EXPECT_NEAR(both.d_fake.item<double>(), 0.047426, 1e-6);
  EXPECT_NEAR(relativistic(vector({2}), vector({-1}), test::whole(1), bench, LossScale::half).d, 0.5 * 0.048587, 1e-6);
}

TEST(Relativistic, ComparesWithTheMeanOverAllRanks) {
  const std::vector<int64_t> starts{0, 1, 2};
  const auto real = vector({2, 0}), fake = vector({-1, 1});
  std::array<Both, 2> of_rank;
  nets::on_ranks(2, [&](int rank, nets::BatchStatistics& statistics) {
    SmallJudge bench(2, test::discriminator_of<test::Slope>(vector({1})), &statistics);
    const auto own_real = nets::slice_of(real, starts, rank), own_fake = nets::slice_of(fake, starts, rank);
    of_rank[rank] = relativistic(own_real, own_fake, nets::range_of(starts, rank), bench);
  });
  EXPECT_NEAR(of_rank[0].d + of_rank[1].d, 0.410038, 1e-6);
  EXPECT_NEAR(of_rank[0].g + of_rank[1].g, 1.410038, 1e-6);
  SmallJudge bench(2);
  const auto one = relativistic(real, fake, test::whole(2), bench);
  const auto joined = [&](at::Tensor Both::*part) { return at::cat({of_rank[0].*part, of_rank[1].*part}); };
  for (const auto part : {&Both::d_real, &Both::d_fake, &Both::g_real, &Both::g_fake})
    EXPECT_TRUE(at::allclose(joined(part), one.*part, 1e-13, 1e-14));
  // What each rank's own means would give lies far from it.
  const double local = relativistic(vector({2}), vector({-1}), test::whole(1), bench).d +
                       relativistic(vector({0}), vector({1}), test::whole(1), bench).d;
  EXPECT_NEAR(local, 0.680925, 1e-6);
}

TEST(Relativistic, CountsHitsAgainstTheOtherMean) {
  SmallJudge bench(2);
  const auto adversary = make_adversary(Loss::relativistic, LossScale::sum, {});
  adversary->on_both(with_outputs(vector({5, 3})), with_outputs(vector({6, 1})), bench.judge);  // means 4 and 3.5
  const auto hits = adversary->hits({}, {});
  EXPECT_EQ(hits.real, 1);
  EXPECT_EQ(hits.fake, 1);
  EXPECT_EQ(adversary->hits({}, {}).real, 0) << "counted once";
}

TEST(Hits, StandOnTheRightSideOfTheLosssThreshold) {
  const auto real = vector({0.6, 0.4, -0.1}), fake = vector({0.6, 0.4, -0.1});
  const auto of_logits = make_adversary(Loss::non_saturating, LossScale::sum, {})->hits(real, fake);
  EXPECT_EQ(of_logits.real, 2);
  EXPECT_EQ(of_logits.fake, 1);
  const auto of_squares = make_adversary(Loss::least_squares, LossScale::sum, {})->hits(real, fake);
  EXPECT_EQ(of_squares.real, 1);
  EXPECT_EQ(of_squares.fake, 2);
}

TargetsConfig one_sided() {
  TargetsConfig config;
  config.smoothing = TargetsConfig::Smoothing::one_sided;
  return config;
}

TEST(SoftTargets, MeetTheirClosedForms) {
  SmallJudge bench(1);
  const auto adversary = make_adversary(Loss::non_saturating, LossScale::sum, one_sided());
  const auto loss_at = [&](double logit) { return adversary->on_real(with_outputs(vector({logit})), bench.judge).item<double>(); };
  EXPECT_NEAR(loss_at(2), 0.326928, 1e-6);
  EXPECT_NEAR(loss_at(2.197225), 0.325083, 1e-6);
  EXPECT_LT(loss_at(2.197225), std::min(loss_at(2.19), loss_at(2.21))) << "the minimum";
  const auto logit = leaf({2}), fake = leaf({2});
  adversary->on_real(with_outputs(logit), bench.judge).backward();
  EXPECT_NEAR(logit.grad().item<double>(), 1 / (1 + std::exp(-2.0)) - 0.9, 1e-12);
  adversary->on_fake(with_outputs(fake), bench.judge).backward();
  EXPECT_NEAR(fake.grad().item<double>(), 1 / (1 + std::exp(-2.0)), 1e-12) << "one-sided: fakes keep target 0";
  const auto half = make_adversary(Loss::non_saturating, LossScale::half, one_sided());
  EXPECT_NEAR(half->on_real(with_outputs(vector({2})), bench.judge).item<double>(), 0.5 * 0.326928, 1e-6);
}

TEST(SoftTargets, OfTwoSidesMoveTheFakesToo) {
  SmallJudge bench(2);
  auto config = one_sided();
  config.smoothing = TargetsConfig::Smoothing::two_sided;
  const auto outputs = with_outputs(vector({0, 0}));
  EXPECT_TRUE(at::equal(real_targets(config, outputs, bench.judge), vector({0.9, 0.9})));
  EXPECT_TRUE(at::equal(fake_targets(config, outputs, bench.judge), vector({0.1, 0.1})));
}

TEST(SoftTargets, LeaveTheGeneratorAlone) {
  SmallJudge bench(3);
  auto config = one_sided();
  config.smoothing = TargetsConfig::Smoothing::noisy, config.flip = 0.3;
  const auto fake = with_outputs(vector({-1, 0.5, 2}));
  for (const auto loss : {Loss::non_saturating, Loss::minimax})
    EXPECT_EQ(make_adversary(loss, LossScale::sum, config)->value(fake, {}, bench.judge).item<double>(),
              make_adversary(loss, LossScale::sum, {})->value(fake, {}, bench.judge).item<double>());
}

TEST(Flips, AreAsManyAsAskedFor) {
  constexpr int64_t n = 100'000;
  SmallJudge bench(n);
  TargetsConfig config;
  config.flip = 0.05;
  auto rows = with_outputs(at::zeros({n}, at::kDouble));
  const auto real = real_targets(config, rows, bench.judge), fake = fake_targets(config, rows, bench.judge);
  EXPECT_TRUE(((real == 0) | (real == 1)).all().item<bool>());
  EXPECT_NEAR((real == 0).sum().item<double>(), 5000, 210);
  EXPECT_NEAR((fake == 1).sum().item<double>(), 5000, 210);
  EXPECT_NEAR(((real == 0) & (fake == 1)).sum().item<double>(), 250, 65) << "reals and fakes flip independently";
  rows.step = 1;
  EXPECT_NEAR(((real == 0) & (real_targets(config, rows, bench.judge) == 0)).sum().item<double>(), 250, 65) << "and anew in each step";
}

TEST(NoisyTargets, FillTheirRangesAndFlipAfterwards) {
  constexpr int64_t n = 20'000;
  SmallJudge bench(n);
  TargetsConfig config;
  config.smoothing = TargetsConfig::Smoothing::noisy;
  config.noisy_real_low = 0.8, config.noisy_real_high = 1.0, config.noisy_fake_high = 0.3;
  const auto rows = with_outputs(at::zeros({n}, at::kDouble));
  const auto real = real_targets(config, rows, bench.judge), fake = fake_targets(config, rows, bench.judge);
  EXPECT_NEAR(real.min().item<double>(), 0.8, 1e-3);
  EXPECT_NEAR(real.max().item<double>(), 1.0, 1e-3);
  EXPECT_NEAR(fake.min().item<double>(), 0.0, 1e-3);
  EXPECT_NEAR(fake.max().item<double>(), 0.3, 1e-3);
  EXPECT_NEAR(real.mean().item<double>(), 0.9, 4 * 0.2 / std::sqrt(12.0 * n));
  EXPECT_NEAR(fake.mean().item<double>(), 0.15, 4 * 0.3 / std::sqrt(12.0 * n));
  config.flip = 0.25;
  const auto flipped = real_targets(config, rows, bench.judge);
  const auto moved = flipped < 0.5;
  EXPECT_NEAR(moved.sum().item<double>(), 0.25 * n, 4 * std::sqrt(0.25 * 0.75 * n));
  EXPECT_TRUE(at::equal(flipped, at::where(moved, fake, real))) << "a flipped real takes the fake target of its place";
}

TEST(Targets, BelongToPlacesNotToRanks) {
  SmallJudge bench(7);
  auto config = one_sided();
  config.smoothing = TargetsConfig::Smoothing::noisy, config.flip = 0.4, config.noisy_fake_high = 0.5;
  const std::vector<int64_t> starts{0, 3, 7};
  const auto whole = real_targets(config, with_outputs(at::zeros({7}, at::kDouble)), bench.judge);
  for (int rank = 0; rank < 2; ++rank) {
    const auto range = nets::range_of(starts, rank);
    const auto own = real_targets(config, with_outputs(at::zeros({range.rows}, at::kDouble), range), bench.judge);
    EXPECT_TRUE(at::equal(own, nets::slice_of(whole, starts, rank)));
  }
}

}  // namespace
}  // namespace ganymede::gan
