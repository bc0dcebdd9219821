// What D is shown and which class is asked for (gan-systems, sections 3, 15 and 39).
#include <gtest/gtest.h>

#include <cmath>

#include "gan/class_planes.hpp"
#include "gan/classes.hpp"
#include "gan/classifier_loss.hpp"
#include "gan/game.hpp"
#include "gan/instance_noise.hpp"
#include "gan/small_judge.hpp"
#include "nets/thread_statistics.hpp"

namespace ganymede::gan {
namespace {

using nets::Source;
using test::SmallJudge;
using test::vector;

InstanceNoiseConfig noise_of(double deviation, int64_t steps = 0) { return {deviation, steps}; }

at::Tensor noisy(const InstanceNoiseConfig& config, const at::Tensor& samples, const nets::RowRange& range, int64_t iteration = 0,
                 int64_t step = 0) {
  SmallJudge bench(range.rows);
  bench.filters.push_back(make_instance_noise(config));
  return bench.judge.prepare({samples, {}, range, step, iteration}).input;
}

double deviation_of(const at::Tensor& x) { return std::sqrt(x.square().mean().item<double>()); }
double correlation(const at::Tensor& a, const at::Tensor& b) { return (a * b).mean().item<double>() / (deviation_of(a) * deviation_of(b)); }

TEST(InstanceNoise, HasItsDeviationAndIsIndependent) {
  const auto nothing = at::zeros({1000, 1000}, at::kDouble);
  const auto noise = [&](Source source, int64_t step = 0) { return noisy(noise_of(0.1), nothing, test::whole(1000, source), 0, step); };
  const auto real = noise(Source::d_real), fake = noise(Source::d_fake), g_fake = noise(Source::g_fake);
  for (const auto& x : {real, fake, g_fake}) {
    EXPECT_NEAR(deviation_of(x), 0.1, 3e-4);
    EXPECT_NEAR(x.mean().item<double>(), 0, 4e-4);
  }
  EXPECT_LT(std::abs(correlation(real, fake)), 0.004);
  EXPECT_LT(std::abs(correlation(fake, g_fake)), 0.004) << "the phases draw apart";
  EXPECT_LT(std::abs(correlation(real, noise(Source::g_real))), 0.004);
  EXPECT_LT(std::abs(correlation(real, noise(Source::d_real, 1))), 0.004) << "and the steps";
}

TEST(InstanceNoise, FallsInAStraightLine) {
  EXPECT_DOUBLE_EQ(noise_deviation(noise_of(0.1, 1000), 250), 0.075);
  EXPECT_DOUBLE_EQ(noise_deviation(noise_of(0.1, 1000), 0), 0.1);
  EXPECT_EQ(noise_deviation(noise_of(0.1, 1000), 1000), 0.0);
  EXPECT_EQ(noise_deviation(noise_of(0.1, 1000), 1500), 0.0);
  EXPECT_EQ(noise_deviation(noise_of(0.1), 1'000'000), 0.1) << "0 steps: constant";
  const auto x = at::ones({100, 1000}, at::kDouble);
  EXPECT_NEAR(deviation_of(noisy(noise_of(0.1, 1000), x, test::whole(100), 250) - x), 0.075, 7e-4) << "counted in iterations";
  EXPECT_TRUE(at::equal(noisy(noise_of(0.1, 1000), x, test::whole(100), 1000), x));
}

// A place's noise is its own: the same on any rank, element by element as on disk (H, W, C), and no gradient is bent.
TEST(InstanceNoise, BelongsToPlaces) {
  const std::vector<int64_t> starts{0, 2, 5};
  const auto x = at::zeros({5, 3, 2, 2}, at::kDouble).requires_grad_(true);
  const auto all = noisy(noise_of(0.5), x, test::whole(5));
  for (int rank = 0; rank < 2; ++rank) {
    const auto own = noisy(noise_of(0.5), nets::slice_of(x, starts, rank), nets::range_of(starts, rank));
    EXPECT_TRUE(at::equal(own, nets::slice_of(all, starts, rank)));
  }
  const auto drawn = Rng(20).normal(Draw{Purpose::noise_real, 0, 0}, 0, 5, 12).view({5, 2, 2, 3}).permute({0, 3, 1, 2}) * 0.5;
  EXPECT_TRUE(at::allclose(all, drawn, 1e-15));
  all.sum().backward();
  EXPECT_TRUE(at::equal(x.grad(), at::ones_like(x)));
}

at::Tensor with_planes(const at::Tensor& samples, const std::vector<int64_t>& labels, int64_t classes) {
  SmallJudge bench(samples.size(0));
  bench.filters.push_back(make_class_planes(classes));
  return bench.judge.prepare({samples, at::tensor(labels, at::kLong), test::whole(samples.size(0)), 0, 0}).input;
}

TEST(ClassPlanes, AreOneWhereTheClassIs) {
  const auto x = SmallJudge(1).rng.normal(Draw{Purpose::data}, 0, 2, 18).view({2, 2, 3, 3});
  const auto shown = with_planes(x, {2, 0}, 4);
  ASSERT_EQ(shown.sizes(), (at::IntArrayRef{2, 6, 3, 3}));
  EXPECT_TRUE(at::equal(shown.narrow(1, 0, 2), x));
  EXPECT_TRUE(at::equal(shown.narrow(1, 2, 4).sum({2, 3}), vector({0, 0, 9, 0, 9, 0, 0, 0}).view({2, 4})));
  const auto swapped = with_planes(x, {0, 2}, 4);
  EXPECT_TRUE(at::equal(swapped.narrow(1, 0, 2), x)) << "the picture stays";
  EXPECT_TRUE(at::equal(swapped.narrow(1, 2, 4), shown.narrow(1, 2, 4).flip(0)));
  const auto points = with_planes(vector({5, 6}).view({2, 1}), {1, 0}, 2);
  EXPECT_TRUE(at::equal(points, vector({5, 0, 1, 6, 1, 0}).view({2, 3}))) << "points get numbers";
}

nets::ConditionalConfig planes(nets::FakeLabels of_d, nets::FakeLabels of_g) {
  nets::ConditionalConfig config;
  config.kind = nets::ConditionalKind::planes, config.fake_labels = of_d, config.generator_labels = of_g;
  return config;
}

TEST(ClassPolicy, DrawsWithItsFrequencies) {
  constexpr int64_t n = 60'000;
  const Rng rng(5);
  const ClassPolicy policy(planes(nets::FakeLabels::empirical, nets::FakeLabels::uniform), {10, 20, 70});
  RealBatch reals;
  reals.share.rows = n;
  const auto expect_shares = [&](const at::Tensor& labels, const std::vector<double>& shares) {
    for (int64_t k = 0; k < 3; ++k)
      EXPECT_NEAR((labels == k).sum().item<double>() / n, shares[k], 4 * std::sqrt(shares[k] * (1 - shares[k]) / n)) << "class " << k;
  };
  expect_shares(policy.for_discriminator(reals, rng, 0), {0.1, 0.2, 0.7});
  expect_shares(policy.for_generator(reals.share, rng, 0), {1 / 3.0, 1 / 3.0, 1 / 3.0});
  const ClassPolicy same(planes(nets::FakeLabels::uniform, nets::FakeLabels::uniform), {10, 20, 70});
  const auto of_d = same.for_discriminator(reals, rng, 0), of_g = same.for_generator(reals.share, rng, 0);
  EXPECT_NEAR((of_d == of_g).sum().item<double>() / n, 1 / 3.0, 0.01) << "the players draw apart";
}

TEST(ClassPolicy, DrawsTheSameForAnySplit) {
  const Rng rng(5);
  for (const auto how : {nets::FakeLabels::uniform, nets::FakeLabels::empirical}) {
    const ClassPolicy policy(planes(how, how), {3, 1, 4, 1});
    Share all;
    all.rows = 11;
    for (const int64_t ranks : {2, 3, 4}) {
      std::vector<at::Tensor> parts;
      const auto share_of = [&](int64_t rank) { return share_of_rank(rank, ranks, 11, 1, [](int64_t) { return 1; }); };
      for (int64_t rank = 0; rank < ranks; ++rank) parts.push_back(policy.for_generator(share_of(rank), rng, 8));
      EXPECT_TRUE(at::equal(at::cat(parts), policy.for_generator(all, rng, 8))) << ranks << " ranks";
    }
  }
}

TEST(ClassPolicy, TakesTheRealsClassesAndTellsTheGenerator) {
  const ClassPolicy policy(planes(nets::FakeLabels::real, nets::FakeLabels::uniform), {1, 1, 1});
  RealBatch reals;
  reals.labels = at::tensor({2, 0}, at::kLong), reals.share.rows = 2;
  const auto labels = policy.for_discriminator(reals, Rng(1), 0);
  EXPECT_TRUE(at::equal(labels, reals.labels));
  EXPECT_TRUE(at::equal(policy.join(vector({7, 8}).view({2, 1}), labels), vector({7, 0, 0, 1, 8, 1, 0, 0}).view({2, 4})));
  const ClassPolicy off({}, {});
  EXPECT_FALSE(off.for_generator(reals.share, Rng(1), 0).defined());
  EXPECT_TRUE(at::equal(off.join(vector({7, 8}).view({2, 1}), {}), vector({7, 8}).view({2, 1})));
  // Only the columns of classes that are there get a gradient.
  auto weight = at::ones({3, 4}, at::kDouble).requires_grad_(true);
  at::linear(policy.join(vector({7, 8}).view({2, 1}), labels), weight).sum().backward();
  EXPECT_TRUE(at::equal(weight.grad(), vector({15, 1, 0, 1}).expand({3, 4})));
}

TEST(Classifier, MeetsItsClosedForms) {
  SmallJudge bench(1);
  const auto of_g = make_classifier_loss_of_g(1.0);
  auto judged = test::with_outputs(vector({0}));
  judged.classes = at::zeros({1, 10}, at::kDouble), judged.labels = at::tensor({int64_t{4}});
  EXPECT_NEAR(of_g->value(judged, {}, bench.judge).item<double>(), 2.302585, 1e-6);
  judged.classes = vector({2, 0, 0}).view({1, 3}).requires_grad_(true), judged.labels = at::tensor({int64_t{0}});
  const auto value = make_classifier_loss_of_g(0.5)->value(judged, {}, bench.judge);
  EXPECT_NEAR(value.item<double>(), 0.5 * 0.239545, 1e-6);
  value.backward();
  const auto away = judged.classes.detach().softmax(1) - vector({1, 0, 0}).view({1, 3});
  EXPECT_TRUE(at::allclose(judged.classes.grad(), 0.5 * away, 1e-12)) << "softmax − onehot";
  const auto of_d = make_classifier_loss_of_d(1.0, true), of_reals = make_classifier_loss_of_d(1.0, false);
  EXPECT_NEAR(of_d->on_real(judged, bench.judge).item<double>(), 0.239545, 1e-6);
  EXPECT_NEAR(of_d->on_fake(judged, bench.judge).item<double>(), 0.239545, 1e-6);
  EXPECT_NEAR(of_reals->on_real(judged, bench.judge).item<double>(), 0.239545, 1e-6);
  EXPECT_FALSE(of_reals->on_fake(judged, bench.judge).defined());
}

// Column 0 of D's outputs is the logit, those behind it are the classes'; a weight of 0 leaves the plain game.
TEST(Classifier, IsAHeadBesideTheLogit) {
  auto network = std::make_shared<nets::Network>("discriminator");
  network->add<nets::Linear>(2, 4, nets::Linear::Start::dcgan);
  network->to(at::kDouble);
  SmallJudge bench(3, network);
  bench.judge.has_classes = true;
  auto judged = test::with_input(at::randn({3, 2}, at::kDouble));
  bench.judge.ask(judged);
  const auto all = network->forward(judged.input);
  EXPECT_TRUE(at::equal(judged.outputs, all.select(1, 0)));
  EXPECT_TRUE(at::equal(judged.classes, all.narrow(1, 1, 3)));
  GameSetup setup;
  setup.conditional.kind = nets::ConditionalKind::classifier, setup.class_counts = {1, 1, 1}, setup.global_batch = 3;
  EXPECT_EQ(make_game(setup, *network).discriminator_terms.size(), 2u);
  setup.conditional.classifier_weight = 0;
  EXPECT_EQ(make_game(setup, *network).discriminator_terms.size(), 1u);
  EXPECT_EQ(make_game(setup, *network).generator_terms.size(), 1u);
}

}  // namespace
}  // namespace ganymede::gan
