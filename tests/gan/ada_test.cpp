#include "gan/ada.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <numbers>

#include "augment_checks.hpp"
#include "config/fields.hpp"
#include "core/error.hpp"
#include "gan/augment.hpp"

namespace ganymede::gan {
namespace {

const Rng rng(45);

RowUniforms uniforms(int64_t rows, int64_t step = 0, int64_t first_place = 0) {
  return augment_uniforms(rng, AugmentPass::reals, step, first_place, rows);
}

/// One transform's numbers, the same for every sample.
RowUniforms fixed(int64_t rows, std::vector<double> numbers) {
  return [=](int64_t elements, int64_t) { return at::tensor(numbers, at::kDouble).slice(0, 0, elements).expand({rows, elements}); };
}

AdaMultipliers nothing() { return {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}; }
AdaMultipliers everything() { return {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}; }
AdaMultipliers only(double AdaMultipliers::* which) {
  auto m = nothing();
  m.*which = 1;
  return m;
}

/// u1, u2 whose first normal is `n` and the second 0.
std::vector<double> normal_of(double n) { return {0.0, std::exp(-0.5 * n * n), n < 0 ? 0.5 : 0.0, 0.0}; }

double largest(const at::Tensor& difference) { return difference.abs().max().item<double>(); }

TEST(Ada, ProbabilityFollowsTheSignsOfD) {
  AdaConfig config;  // target .6, 500 thousand reals
  AdaController controller(config, 64);
  for (int step = 0; step < 3; ++step) controller.observe(64, 0, 64);
  EXPECT_EQ(controller.p(), 0.0);
  controller.observe(64, 0, 64);
  EXPECT_NEAR(controller.p(), 5.12e-4, 1e-15);
  EXPECT_EQ(controller.overfitting(), 1.0);
  for (int step = 4; step < 4000; ++step) controller.observe(64, 0, 64);
  EXPECT_NEAR(controller.p(), 0.512, 1e-12);
  for (int step = 0; step < 4; ++step) controller.observe(48, 16, 64);  // r = .5, below the target
  EXPECT_NEAR(controller.p(), 0.512 - 5.12e-4, 1e-12);
  for (int step = 0; step < 8000; ++step) controller.observe(64, 0, 64);
  EXPECT_EQ(controller.p(), 1.0);

  AdaController below(config, 64);
  for (int step = 0; step < 400; ++step) below.observe(48, 16, 64);
  EXPECT_EQ(below.p(), 0.0);

  config.target = 0.5;
  AdaController on_target(config, 64);
  for (int step = 0; step < 4; ++step) on_target.observe(64, 0, 64);
  const double p = on_target.p();
  for (int step = 0; step < 4; ++step) on_target.observe(32, 0, 64);  // logits of zero count, and have no sign
  EXPECT_EQ(on_target.p(), p);
}

TEST(Ada, CountsSigns) {
  const auto counts = sign_counts(at::tensor({1.0, -2.0, 0.0, 3.0, 0.5}));
  EXPECT_EQ(counts.scalar_type(), at::kLong);
  EXPECT_TRUE(at::equal(counts, at::tensor(std::vector<int64_t>{3, 1, 5}, at::kLong)));
  AdaController controller({}, 4);
  EXPECT_THROW(controller.observe(3, 2, 4), Error);
  EXPECT_THROW(controller.observe(0, 0, 0), Error);
}

TEST(Ada, GoesOnWhereItStopped) {
  AdaController one({}, 50), whole({}, 50);
  for (int step = 0; step < 6; ++step) one.observe(45, 5, 50), whole.observe(45, 5, 50);
  State state;
  one.save(state);
  AdaController two({}, 50);
  two.load(state);
  for (int step = 0; step < 7; ++step) two.observe(42 + step, 1, 50), whole.observe(42 + step, 1, 50);
  EXPECT_GT(whole.p(), 0.0);
  EXPECT_EQ(two.p(), whole.p());
  EXPECT_EQ(two.overfitting(), whole.overfitting());
  for (const char* name : {"p", "r", "steps", "signs", "count"}) {
    auto damaged = state;
    damaged.attributes["tricks/ada"].erase(name);
    EXPECT_THROW(two.load(damaged), Error) << name;
  }
  for (const double p : {-0.1, 1.1, std::nan("")}) {
    auto damaged = state;
    damaged.attributes["tricks/ada"]["p"] = p;
    EXPECT_THROW(two.load(damaged), Error) << p;
  }
}

TEST(Ada, ProbabilityZeroIsTheSameTensor) {
  const auto x = at::randn({4, 3, 8, 8});
  EXPECT_TRUE(ada_transform(x, 0.0, everything(), uniforms(4)).is_same(x));
}

TEST(Ada, SamplesThatNoTransformChoseKeepEveryBit) {
  for (const int64_t channels : {1, 3}) {
    const auto x = at::randn({200, channels, 12, 8});
    const double p = 0.1;
    const auto y = ada_transform(x, p, everything(), uniforms(200));
    // Chosen are those one of whose gates is open; a coin or a small angle may still leave them as they are.
    auto open = at::zeros({200}, at::kBool);
    for (int64_t j = 3; j <= 14; ++j) {
      const auto u = uniforms(200)(4, j);
      open = open.logical_or(u.select(1, 0) < p);
      if (j == 7) open = open.logical_or(u.select(1, 2) < p);
    }
    const auto closed = open.logical_not();
    const int64_t spared = closed.sum().item<int64_t>();
    EXPECT_GT(spared, 30);  // .9¹³ of them
    EXPECT_LT(spared, 90);
    EXPECT_TRUE(at::equal(y.index({closed}), x.index({closed})));
    EXPECT_FALSE(at::equal(y.index({open}), x.index({open})));
  }
}

TEST(Ada, FlipsHalfOfTheSamples) {
  const int64_t n = 10000;
  const auto x = at::arange(8, at::kDouble).expand({n, 1, 8, 8}).contiguous();
  const auto y = ada_transform(x, 1.0, only(&AdaMultipliers::x_flip), uniforms(n));
  const auto flipped = y.eq(x.flip({3})).flatten(1).all(1), kept = y.eq(x).flatten(1).all(1);
  EXPECT_TRUE(flipped.logical_xor(kept).all().item<bool>());
  EXPECT_NEAR(flipped.sum().item<double>(), 0.5 * n, 4 * std::sqrt(0.25 * n));
  // At p = .3 half of the chosen ones.
  const auto fewer = ada_transform(x, 0.3, only(&AdaMultipliers::x_flip), uniforms(n)).eq(x.flip({3})).flatten(1).all(1);
  EXPECT_NEAR(fewer.sum().item<double>(), 0.15 * n, 4 * std::sqrt(0.15 * 0.85 * n));
  // A multiplier scales p.
  auto half = only(&AdaMultipliers::x_flip);
  half.x_flip = 0.5;
  EXPECT_TRUE(at::equal(ada_transform(x, 0.6, half, uniforms(n)).eq(x.flip({3})).flatten(1).all(1), fewer));
}

TEST(Ada, TurnsByQuarters) {
  const auto x = at::randn({1, 3, 8, 8});
  for (int64_t quarters = 0; quarters < 4; ++quarters) {
    const auto y = ada_transform(x, 1.0, only(&AdaMultipliers::turns), fixed(1, {0, (quarters + 0.5) / 4, 0, 0}));
    EXPECT_TRUE(at::equal(y, at::rot90(x, quarters, {2, 3}))) << quarters;
  }
}

TEST(Ada, ShiftsByWholePixelsAndReflects) {
  const auto x = at::randn({1, 1, 16, 24});
  // (2u−1)/8 of 16 rows and 24 columns: +1 down and −2 to the left.
  const auto y = ada_transform(x, 1.0, only(&AdaMultipliers::integer_shifts), fixed(1, {0, 0.5 + 0.5 * 0.5, 0.5 - 0.5 * 2.0 / 3.0, 0}));
  EXPECT_TRUE(at::equal(y.slice(2, 1).slice(3, 0, 22), x.slice(2, 0, 15).slice(3, 2)));
  EXPECT_TRUE(at::equal(y.slice(2, 0, 1).slice(3, 0, 22), x.slice(2, 0, 1).slice(3, 2)));          // the edge's mirror repeats the edge
  EXPECT_TRUE(at::equal(y.slice(2, 1).slice(3, 22), x.slice(2, 0, 15).slice(3, 22).flip({3})));
}

TEST(Ada, MovesAndGrowsTheContent) {
  // A broad hill whose middle and width are measured: sub-pixel shifts move it, scaling widens it.
  const int64_t side = 64;
  const auto along = at::arange(side, at::kDouble) - 0.5 * (side - 1);
  const auto hill = [&](double rows, double columns) {
    const auto bell = [&](double width) { return at::exp(-0.5 * (along / width).square()); };
    return bell(rows).reshape({1, 1, side, 1}) * bell(columns).reshape({1, 1, 1, side});
  };
  const auto x = hill(6, 4);
  const auto measure = [&](const at::Tensor& y, int64_t other_axis) {
    const auto mass = y.sum(other_axis).flatten();
    const double middle = ((mass * along).sum() / mass.sum()).item<double>();
    return std::pair{middle, std::sqrt(((mass * (along - middle).square()).sum() / mass.sum()).item<double>())};
  };
  const auto moved = ada_transform(x, 1.0, only(&AdaMultipliers::shift), fixed(1, normal_of(0.4)));  // .125·.4·64 = 3.2 rows
  EXPECT_NEAR(measure(moved, 3).first, 3.2, 1e-4);
  EXPECT_NEAR(measure(moved, 2).first, 0.0, 1e-9);
  const auto grown = ada_transform(x, 1.0, only(&AdaMultipliers::scale), fixed(1, normal_of(1.0)));
  EXPECT_NEAR(measure(grown, 3).second, 6 * std::exp2(0.2), 0.03);
  EXPECT_NEAR(measure(grown, 2).second, 4 * std::exp2(0.2), 0.03);
  const auto stretched = ada_transform(x, 1.0, only(&AdaMultipliers::stretch), fixed(1, normal_of(1.0)));
  EXPECT_NEAR(measure(stretched, 3).second, 6 * std::exp2(-0.2), 0.03);
  EXPECT_NEAR(measure(stretched, 2).second, 4 * std::exp2(0.2), 0.03);
  // Two rotations by a quarter each make a half turn, which a hill does not show; one exchanges its axes.
  const auto rotated = ada_transform(x, 1.0, only(&AdaMultipliers::rotation), fixed(1, {0, 0.75, 0, 0.5}));
  EXPECT_LE(largest(rotated - hill(4, 6)), 1e-12);
}

TEST(Ada, RotationActsWithItsProbability) {
  const int64_t n = 10000;
  const auto places = ada_places(n, 8, 8, 0.3, only(&AdaMultipliers::rotation), uniforms(n));
  const double share = places.select(1, 0).select(1, 1).ne(0).to(at::kDouble).mean().item<double>();
  EXPECT_NEAR(share, 0.3, 4 * std::sqrt(0.3 * 0.7 / n));
}

TEST(Ada, ChangesColors) {
  const auto x = at::rand({1, 3, 4, 4}, at::kDouble) * 2 - 1;
  const auto with = [&](double AdaMultipliers::* which, const std::vector<double>& numbers) {
    return ada_transform(x, 1.0, only(which), fixed(1, numbers));
  };
  const auto luma = x.mean(1, true);
  EXPECT_LE(largest(with(&AdaMultipliers::brightness, normal_of(1.5)) - (x + 0.3)), 1e-14);
  EXPECT_LE(largest(with(&AdaMultipliers::contrast, normal_of(2)) - 2 * x), 1e-14);
  EXPECT_LE(largest(with(&AdaMultipliers::contrast, normal_of(-2)) - x / 2), 1e-14);
  EXPECT_LE(largest(with(&AdaMultipliers::luma_flip, {0, 0.2, 0, 0}) - (x - 2 * luma)), 1e-14);
  EXPECT_TRUE(at::equal(with(&AdaMultipliers::luma_flip, {0, 0.7, 0, 0}), x));
  EXPECT_LE(largest(with(&AdaMultipliers::saturation, normal_of(1)) - (luma + 2 * (x - luma))), 1e-14);
  // A third of a turn takes red to green, green to blue, blue to red.
  EXPECT_LE(largest(with(&AdaMultipliers::hue, {0, 0.5 + 1.0 / 3.0, 0, 0}) - x.roll({1}, {1})), 1e-14);
  const auto hue = with(&AdaMultipliers::hue, {0, 0.4, 0, 0});
  EXPECT_LE(largest(hue.mean(1, true) - luma), 1e-14);
  EXPECT_LE(largest(hue.square().sum(1) - x.square().sum(1)), 1e-13);

  const auto grey = at::rand({1, 1, 4, 4}, at::kDouble);
  const auto with_grey = [&](double AdaMultipliers::* which, const std::vector<double>& numbers) {
    return ada_transform(grey, 1.0, only(which), fixed(1, numbers));
  };
  EXPECT_LE(largest(with_grey(&AdaMultipliers::brightness, normal_of(1.5)) - (grey + 0.3)), 1e-14);
  EXPECT_LE(largest(with_grey(&AdaMultipliers::contrast, normal_of(2)) - 2 * grey), 1e-14);
  EXPECT_TRUE(at::equal(with_grey(&AdaMultipliers::luma_flip, {0, 0.2, 0, 0}), -grey));
  EXPECT_TRUE(at::equal(with_grey(&AdaMultipliers::hue, {0, 0.2, 0, 0}), grey));
  EXPECT_TRUE(at::equal(with_grey(&AdaMultipliers::saturation, normal_of(1)), grey));
}

// Three equal channels are a grey picture, whatever is done to them.
TEST(Ada, TreatsGreyAsColorsDo) {
  const auto grey = at::rand({50, 1, 8, 8}, at::kDouble);
  const auto color = ada_transform(grey.expand({50, 3, 8, 8}).contiguous(), 0.7, everything(), uniforms(50));
  EXPECT_LE(largest(color - ada_transform(grey, 0.7, everything(), uniforms(50))), 1e-12);
}

TEST(Ada, HasTheDerivativesOfFiniteDifferences) {
  for (const int64_t channels : {1, 3}) {
    const auto x = at::rand({4, channels, 7, 6}, at::kDouble);
    expect_derivatives(x, [&](const at::Tensor& y) { return ada_transform(y, 0.9, everything(), uniforms(4)); }, std::to_string(channels));
  }
}

TEST(Ada, DependsOnThePlaceAlone) {
  const auto x = at::randn({10, 3, 16, 12}, at::kDouble);
  const auto whole = ada_transform(x, 0.8, everything(), uniforms(10, 3));
  EXPECT_LE(largest(ada_transform(x.slice(0, 4, 9), 0.8, everything(), uniforms(5, 3, 4)) - whole.slice(0, 4, 9)), 1e-14);
}

TEST(Ada, KeepsTypeAndMemoryFormat) {
  const auto x = at::randn({4, 3, 16, 16}), last = x.contiguous(at::MemoryFormat::ChannelsLast);
  const auto y = ada_transform(x, 0.9, everything(), uniforms(4)), z = ada_transform(last, 0.9, everything(), uniforms(4));
  EXPECT_EQ(y.scalar_type(), at::kFloat);
  EXPECT_TRUE(y.is_contiguous());
  EXPECT_TRUE(z.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(at::allclose(y, z, 1e-5, 1e-6));
}

TEST(Ada, RefusesWhatItCannotChange) {
  EXPECT_THROW(ada_transform(at::zeros({4, 2}), 0.0, everything(), uniforms(4)), Error);
  EXPECT_THROW(ada_transform(at::zeros({4, 2, 8, 8}), 0.0, everything(), uniforms(4)), Error);
  EXPECT_NO_THROW(ada_transform(at::zeros({4, 2, 8, 8}), 0.5, only(&AdaMultipliers::scale), uniforms(4)));

  AugmentConfig config;
  config.ada.on = true;
  const nets::SampleShape points{true, 0, 0, 0, 2}, picture{false, 28, 28, 1, 0}, small{false, 4, 4, 1, 0};
  EXPECT_NO_THROW(check(config, picture, Loss::non_saturating));
  EXPECT_THROW(check(config, picture, Loss::wasserstein), Error);
  EXPECT_THROW(check(config, points, Loss::non_saturating), Error);
  config = {};
  EXPECT_NO_THROW(check(config, points, Loss::wasserstein));
  config.policy = "translation";
  EXPECT_NO_THROW(check(config, picture, Loss::wasserstein));
  EXPECT_THROW(check(config, points, Loss::non_saturating), Error);
  EXPECT_THROW(check(config, small, Loss::non_saturating), Error);
}

TEST(Ada, DescribesItsKeys) {
  AugmentConfig config;
  config::Fields fields;
  describe(fields, config);
  const std::vector<std::string> keys = {"policy", "ada", "ada_target", "ada_kimg", "x_flip", "turns", "integer_shifts", "scale", "rotation",
                                         "stretch", "shift", "brightness", "contrast", "luma_flip", "hue", "saturation"};
  EXPECT_EQ(fields.names(), keys);
  for (const double wrong : {-1.0, 1.0}) EXPECT_TRUE(fields.find("ada_target")->assign(wrong)) << wrong;
  EXPECT_FALSE(fields.find("ada_target")->assign(-0.5));
  EXPECT_TRUE(fields.find("ada_kimg")->assign(0.0));
  EXPECT_TRUE(fields.find("hue")->assign(-0.1));
}

}  // namespace
}  // namespace ganymede::gan
