#include "gan/diff_augment.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "augment_checks.hpp"
#include "core/error.hpp"
#include "gan/augment.hpp"

namespace ganymede::gan {
namespace {

const Rng rng(44);

RowUniforms uniforms(int64_t rows, int64_t step = 0, int64_t first_place = 0) {
  return augment_uniforms(rng, AugmentPass::reals, step, first_place, rows);
}

/// The same numbers for every sample: one list a draw.
RowUniforms fixed(int64_t rows, std::vector<std::vector<double>> draws) {
  return [=](int64_t elements, int64_t j) { return at::tensor(draws.at(j), at::kDouble).slice(0, 0, elements).expand({rows, elements}); };
}

AugmentPolicy only(const char* word) { return parse_policy(word); }

TEST(DiffAugment, ReadsItsPolicy) {
  EXPECT_TRUE(parse_policy("").is_empty());
  const auto all = parse_policy("cutout,color,translation");
  EXPECT_TRUE(all.color && all.translation && all.cutout);
  const auto one = parse_policy("translation");
  EXPECT_TRUE(!one.color && one.translation && !one.cutout);
  for (const char* wrong : {"colour", "color,", ",", "color translation", "Color"}) EXPECT_THROW(parse_policy(wrong), Error) << wrong;
  try {
    parse_policy("color,cutuot");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), Fault::recipe);
    EXPECT_NE(std::string(e.what()).find("did you mean 'cutout'"), std::string::npos) << e.what();
  }
}

TEST(DiffAugment, RefusesWhatItCannotChange) {
  const auto all = parse_policy("color,translation,cutout");
  EXPECT_THROW(diff_augment(at::zeros({4, 2}), all, uniforms(4)), Error);
  EXPECT_THROW(diff_augment(at::zeros({4, 1, 7, 8}), all, uniforms(4)), Error);
  EXPECT_THROW(diff_augment(at::zeros({4, 1, 8, 7}), all, uniforms(4)), Error);
  EXPECT_THROW(diff_augment(at::zeros({4, 1, 3, 16, 16}), all, uniforms(4)), Error);
  EXPECT_NO_THROW(diff_augment(at::zeros({4, 1, 3, 16, 16}), parse_policy("color,translation"), uniforms(4)));
  EXPECT_NO_THROW(diff_augment(at::zeros({4, 1, 8, 8}), all, uniforms(4)));
}

TEST(DiffAugment, WithoutPolicyIsTheSameTensor) {
  const auto x = at::randn({4, 3, 8, 8});
  EXPECT_TRUE(diff_augment(x, {}, uniforms(4)).is_same(x));
  EXPECT_TRUE(augment(x, {}, 0.0, {}, uniforms(4)).is_same(x));
}

TEST(DiffAugment, BrightnessAddsAndTheRestLeavesConstantGreyAlone) {
  const auto zeros = at::zeros({2, 3, 8, 8}, at::kDouble);
  const auto brighter = diff_augment(zeros, only("color"), fixed(2, {{0.8, 0.123, 0.456}}));
  EXPECT_LE((brighter - 0.3).abs().max().item<double>(), 1e-15);
  const auto grey = at::full({2, 3, 8, 8}, 0.25, at::kDouble);
  for (const double u : {0.01, 0.3, 0.99})
    EXPECT_TRUE(at::equal(diff_augment(grey, only("color"), fixed(2, {{0.5, u, 1 - u}})), grey)) << u;
}

TEST(DiffAugment, ColorIsItsFormula) {
  const auto x = at::randn({2, 3, 8, 8}, at::kDouble);
  const auto a = x + 0.25, mean = a.mean(1, true), b = (a - mean) * 0.5 + mean, all = b.mean({1, 2, 3}, true), c = (b - all) * 1.25 + all;
  EXPECT_LE((diff_augment(x, only("color"), fixed(2, {{0.75, 0.25, 0.75}})) - c).abs().max().item<double>(), 1e-14);
}

TEST(DiffAugment, AnImpulseMovesByTheShiftAndItsGradientMovesBack) {
  // 16 x 24 pixels: shifts of up to 2 rows and 3 columns, 5 and 7 values.
  for (int64_t down = -2; down <= 2; ++down)
    for (int64_t right = -3; right <= 3; ++right) {
      const auto draw = fixed(1, {{}, {(static_cast<double>(down) + 2.5) / 5.0, (static_cast<double>(right) + 3.5) / 7.0}});
      const auto x = at::zeros({1, 2, 16, 24}, at::kDouble);
      x[0][1][5][9] = 1.0;
      x.requires_grad_(true);
      const auto y = diff_augment(x, only("translation"), draw);
      EXPECT_EQ(y.sum().item<double>(), 1.0);
      EXPECT_EQ(y[0][1][5 + down][9 + right].item<double>(), 1.0);
      const auto weight = at::zeros_like(y);
      weight[0][0][8][4] = 1.0;
      const auto back = torch::autograd::grad({(y * weight).sum()}, {x})[0];
      EXPECT_EQ(back.sum().item<double>(), 1.0);
      EXPECT_EQ(back[0][0][8 - down][4 - right].item<double>(), 1.0);
    }
}

TEST(DiffAugment, ShiftsFillWithZeroAndAreUniform) {
  const int64_t n = 10000;
  const auto y = diff_augment(at::ones({n, 1, 16, 16}), only("translation"), uniforms(n));
  // A shift of s rows leaves |s| rows of zeros: 0, 1, 2 with shares 1/5, 2/5, 2/5, along each axis alike.
  for (const int64_t axis : {2, 3}) {
    const auto left = y.amax(axis == 2 ? 3 : 2).sum(2).flatten();
    for (const auto& [lost, share] : {std::pair{0, 0.2}, {1, 0.4}, {2, 0.4}}) {
      const double seen = left.eq(16 - lost).to(at::kDouble).mean().item<double>();
      EXPECT_NEAR(seen, share, 4 * std::sqrt(share * (1 - share) / n)) << axis << " " << lost;
    }
  }
}

TEST(DiffAugment, CutoutZeroesItsShare) {
  const int64_t n = 10000;
  const auto y = diff_augment(at::ones({n, 1, 32, 32}), only("cutout"), uniforms(n));
  const double share = 1.0 - y.mean(at::kDouble).item<double>(), expected = std::pow(13.8182 / 32.0, 2);  // 0.18647
  EXPECT_NEAR(share, expected, 0.01 * expected);
}

TEST(DiffAugment, CutoutIsClippedAtTheBorders) {
  // 8 pixels: 4 are cut; centre 0 leaves 2 of them inside, centre 8 too, centre 4 all.
  for (const auto& [centre, from, to] : {std::tuple{0, 0, 2}, {8, 6, 8}, {4, 2, 6}}) {
    const double u = (centre + 0.5) / 9.0;
    auto expected = at::ones({1, 3, 8, 8});
    expected.slice(2, from, to).slice(3, from, to).zero_();
    EXPECT_TRUE(at::equal(diff_augment(at::ones({1, 3, 8, 8}), only("cutout"), fixed(1, {{}, {}, {u, u}})), expected)) << centre;
  }
}

TEST(DiffAugment, HasTheDerivativesOfFiniteDifferences) {
  const auto x = at::randn({3, 3, 9, 8}, at::kDouble);
  for (const char* policy : {"color", "translation", "cutout", "color,translation,cutout"})
    expect_derivatives(x, [&](const at::Tensor& y) { return diff_augment(y, parse_policy(policy), uniforms(3)); }, policy);
}

TEST(DiffAugment, DependsOnThePlaceAlone) {
  const auto x = at::randn({10, 3, 16, 16}, at::kDouble);
  const auto policy = parse_policy("color,translation,cutout");
  const auto whole = diff_augment(x, policy, uniforms(10, 7));
  EXPECT_LE((diff_augment(x.slice(0, 3, 8), policy, uniforms(5, 7, 3)) - whole.slice(0, 3, 8)).abs().max().item<double>(), 1e-14);
  const auto chosen = at::tensor({8, 1, 4}, at::kLong);
  const auto micro = diff_augment(x.index_select(0, chosen), policy, augment_uniforms(rng, AugmentPass::reals, 7, 0, 10, chosen));
  EXPECT_LE((micro - whole.index_select(0, chosen)).abs().max().item<double>(), 1e-14);
  // Another step, another pass: other numbers.
  EXPECT_FALSE(at::allclose(diff_augment(x, policy, uniforms(10, 8)), whole));
  EXPECT_FALSE(at::allclose(diff_augment(x, policy, augment_uniforms(rng, AugmentPass::d_fakes, 7, 0, 10)), whole));
}

TEST(DiffAugment, KeepsTypeAndMemoryFormat) {
  const auto policy = parse_policy("color,translation,cutout");
  const auto x = at::randn({4, 3, 16, 16}), last = x.contiguous(at::MemoryFormat::ChannelsLast);
  const auto y = diff_augment(x, policy, uniforms(4)), z = diff_augment(last, policy, uniforms(4));
  EXPECT_EQ(y.scalar_type(), at::kFloat);
  EXPECT_TRUE(y.is_contiguous());
  EXPECT_TRUE(z.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(at::allclose(y, z, 1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(y.to(at::kDouble), diff_augment(x.to(at::kDouble), policy, uniforms(4)), 1e-5, 1e-6));
}

TEST(DiffAugment, ChangesAllFramesOfAVideoAlike) {
  const auto picture = at::randn({4, 3, 16, 16}, at::kDouble);
  const auto policy = parse_policy("color,translation");
  const auto video = picture.unsqueeze(2).expand({4, 3, 5, 16, 16}).contiguous();
  const auto y = diff_augment(video, policy, uniforms(4)), expected = diff_augment(picture, policy, uniforms(4));
  for (int64_t t = 0; t < 5; ++t) EXPECT_LE((y.select(2, t) - expected).abs().max().item<double>(), 1e-14);
}

}  // namespace
}  // namespace ganymede::gan
