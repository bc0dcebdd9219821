// Feature matching against its closed forms (gan-systems, section 6), on one rank and on two, and which layer it reads.
#include "gan/feature_matching.hpp"

#include <gtest/gtest.h>

#include <array>

#include "core/error.hpp"
#include "gan/small_judge.hpp"
#include "nets/architectures.hpp"
#include "nets/thread_statistics.hpp"

namespace ganymede::gan {
namespace {

using Kind = FeatureMatchingConfig::Kind;
using test::SmallJudge;
using test::vector;

constexpr std::array<Kind, 4> kinds{Kind::elementwise, Kind::l1, Kind::l2, Kind::l2_sum};

FeatureMatchingConfig matching(Kind kind) {
  FeatureMatchingConfig config;
  config.weight = 1.0, config.kind = kind, config.layer = "0";
  return config;
}

Judged with_features(const at::Tensor& features, const nets::RowRange& range) {
  auto judged = test::with_outputs(at::zeros({features.size(0)}, at::kDouble), range);
  judged.features = features;
  return judged;
}

struct Matched {
  double value = 0;
  at::Tensor gradient;  // of the fakes' features
};

// A rank's share.
Matched match(const FeatureMatchingConfig& config, const at::Tensor& real, const at::Tensor& fake, const nets::RowRange& range,
              SmallJudge& bench, int ranks = 1) {
  const auto leaf = fake.detach().clone().requires_grad_(true), of_real = real.detach().clone().requires_grad_(true);
  const auto term = make_feature_matching(config, *bench.network, ranks);
  const auto value = term->value(with_features(leaf, range), with_features(of_real, range), bench.judge);
  value.backward();
  EXPECT_FALSE(of_real.grad().defined()) << "reals pass without graph";
  return {value.item<double>(), leaf.grad()};
}

Matched match(Kind kind, const at::Tensor& real, const at::Tensor& fake, SmallJudge& bench) {
  return match(matching(kind), real, fake, test::whole(real.size(0)), bench);
}

// The same split over two ranks: values and gradients of both.
Matched match_on_two(Kind kind, const at::Tensor& real, const at::Tensor& fake, const std::vector<int64_t>& starts) {
  std::array<Matched, 2> parts;
  nets::on_ranks(2, [&](int rank, nets::BatchStatistics& statistics) {
    SmallJudge bench(starts.back(), test::discriminator_of<test::Slope>(vector({1})), &statistics);
    const auto own_real = nets::slice_of(real, starts, rank), own_fake = nets::slice_of(fake, starts, rank);
    parts[rank] = match(matching(kind), own_real, own_fake, nets::range_of(starts, rank), bench, 2);
  });
  return {parts[0].value + parts[1].value, at::cat({parts[0].gradient, parts[1].gradient})};
}

TEST(FeatureMatching, MeetsItsClosedForms) {
  SmallJudge bench(2);
  const auto real = vector({1, 2, 3, 4}).view({2, 2}), fake = vector({2, 2, 2, 4}).view({2, 2});
  EXPECT_DOUBLE_EQ(match(Kind::elementwise, real, fake, bench).value, 0.5);
  for (const auto kind : {Kind::l1, Kind::l2, Kind::l2_sum}) EXPECT_EQ(match(kind, real, fake, bench).value, 0.0);
  // Differences of (4, 1) and (2, 1); Δ = (−3, 1): mean |Δ| = 2, mean Δ² = 5, ΣΔ² = 10.
  const auto away = fake + vector({3, -1});
  const std::array<double, 4> known{2, 2, 5, 10};
  for (size_t i = 0; i < kinds.size(); ++i) EXPECT_DOUBLE_EQ(match(kinds[i], real, away, bench).value, known[i]) << i;
  auto config = matching(Kind::l2);
  config.weight = 0.1;
  EXPECT_DOUBLE_EQ(match(config, real, away, test::whole(2), bench).value, 0.5);
}

// dFM/dfake = −sign(Δ)/(F·N) for l1, and every kind against central differences.
TEST(FeatureMatching, HasExactGradients) {
  SmallJudge bench(3);
  const auto real = bench.rng.normal(Draw{Purpose::data, 0}, 0, 3, 4), fake = bench.rng.normal(Draw{Purpose::z_g, 0}, 0, 3, 4);
  const auto gap = real.mean(0) - fake.mean(0);
  EXPECT_TRUE(at::allclose(match(Kind::l1, real, fake, bench).gradient, (-gap.sign() / 12.0).expand({3, 4}), 1e-12));
  for (const auto kind : kinds) {
    const auto exact = match(kind, real, fake, bench).gradient;
    constexpr double h = 1e-6;
    for (int64_t i = 0; i < 12; ++i) {
      auto above = fake.clone(), below = fake.clone();
      above.view({-1})[i] += h, below.view({-1})[i] -= h;
      const double numeric = (match(kind, real, above, bench).value - match(kind, real, below, bench).value) / (2 * h);
      EXPECT_NEAR(exact.view({-1})[i].item<double>(), numeric, 1e-6) << "kind " << static_cast<int>(kind) << ", element " << i;
    }
  }
}

TEST(FeatureMatching, ComparesMeansOfAllRanks) {
  const std::vector<int64_t> starts{0, 1, 2};
  const auto real = vector({2, 2}).view({2, 1});
  EXPECT_EQ(match_on_two(Kind::l1, real, vector({1, 3}).view({2, 1}), starts).value, 0.0);
  SmallJudge alone(1);
  const double local = match(Kind::l1, vector({2}).view({1, 1}), vector({1}).view({1, 1}), alone).value +
                       match(Kind::l1, vector({2}).view({1, 1}), vector({3}).view({1, 1}), alone).value;
  EXPECT_EQ(local / 2, 1.0) << "what the ranks' own means would give";
  // Δ = ½: counted once, not once a rank.
  const auto once = match_on_two(Kind::l1, real, vector({1, 2}).view({2, 1}), starts);
  EXPECT_DOUBLE_EQ(once.value, 0.5);
  EXPECT_TRUE(at::allclose(once.gradient, vector({-0.5, -0.5}).view({2, 1}))) << once.gradient;
}

TEST(FeatureMatching, AddsUpOverUnlikeRanks) {
  const Rng rng(2);
  const auto real = rng.normal(Draw{Purpose::data, 0}, 0, 5, 3), fake = rng.normal(Draw{Purpose::z_g, 0}, 0, 5, 3);
  for (const auto kind : kinds) {
    SmallJudge bench(5);
    const auto one = match(kind, real, fake, bench), two = match_on_two(kind, real, fake, {0, 4, 5});
    EXPECT_NEAR(one.value, two.value, 1e-13);
    EXPECT_TRUE(at::allclose(one.gradient, two.gradient, 1e-12, 1e-14)) << static_cast<int>(kind);
  }
}

TEST(FeatureMatching, AveragesOverPixelsFirst) {
  SmallJudge bench(1);
  auto config = matching(Kind::elementwise);
  const auto real = vector({1, 3, 0, 0}).view({1, 2, 1, 2}), fake = vector({3, 1, 1, 3}).view({1, 2, 1, 2});
  EXPECT_DOUBLE_EQ(match(config, real, fake, test::whole(1), bench).value, 2.0);
  config.pool = true;
  EXPECT_DOUBLE_EQ(match(config, real, fake, test::whole(1), bench).value, 1.0) << "channel means 2|0 against 2|2";
}

int64_t layer_of(const std::string& name, const nets::Network& d) {
  FeatureMatchingConfig config;
  config.layer = name;
  return make_feature_matching(config, d, 1)->captured_layer();
}

TEST(FeatureMatching, FindsItsLayer) {
  nets::DiscriminatorConfig mlp, dcgan;
  static_cast<nets::NetworkConfig&>(mlp) = {nets::Kind::mlp, 8, 2};
  static_cast<nets::NetworkConfig&>(dcgan) = {nets::Kind::dcgan, 2, 2};
  const auto d = nets::make_discriminator(mlp, {true, 0, 0, 0, 2});
  EXPECT_EQ(layer_of("penultimate", *d), 3) << "0 Linear, 1 LeakyReLU, 2 Linear, 3 LeakyReLU, 4 Linear";
  EXPECT_EQ(layer_of("1", *d), 1);
  EXPECT_EQ(layer_of("output", *d), -1);
  const auto pictures = nets::make_discriminator(dcgan, {false, 32, 32, 1, 0});
  const auto number = static_cast<size_t>(layer_of("penultimate", *pictures));
  EXPECT_NE(dynamic_cast<nets::LeakyReLU*>(&pictures->layer(number)), nullptr) << pictures->layer(number).describe();
  EXPECT_NE(dynamic_cast<nets::Conv2d*>(&pictures->layer(number + 1)), nullptr);
  for (const char* wrong : {"17", "-1", "3x", "", "last", "999999999999999999999"}) EXPECT_THROW(layer_of(wrong, *d), Error) << wrong;
}

// The features are what stands in front of the last layer: weight and bias of that make the logits out of them.
TEST(FeatureMatching, ReadsWhatStandsInFrontOfTheLastLayer) {
  nets::DiscriminatorConfig mlp;
  static_cast<nets::NetworkConfig&>(mlp) = {nets::Kind::mlp, 8, 2};
  const auto d = nets::make_discriminator(mlp, {true, 0, 0, 0, 2});
  d->initialize(Rng(3), 1);
  d->to(at::kDouble);
  SmallJudge bench(4, d);
  auto judged = test::with_input(at::randn({4, 2}, at::kDouble));
  bench.judge.ask(judged, nullptr, layer_of("penultimate", *d));
  ASSERT_EQ(judged.features.sizes(), (at::IntArrayRef{4, 8}));
  const auto parameters = d->layer(4).parameters();
  EXPECT_TRUE(at::allclose(at::linear(judged.features, parameters[0], parameters[1]).flatten(), judged.outputs, 1e-12));
  // "output": the logits themselves.
  FeatureMatchingConfig config = matching(Kind::elementwise);
  config.layer = "output";
  const auto term = make_feature_matching(config, *d, 1);
  const auto fake = test::with_outputs(vector({1, 2, 3, 4})), real = test::with_outputs(vector({1, 2, 3, 0}));
  EXPECT_DOUBLE_EQ(term->value(fake, real, bench.judge).item<double>(), 1.0);
}

}  // namespace
}  // namespace ganymede::gan
