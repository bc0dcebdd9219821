// Layers without state, in closed form: gan-systems sections 20, 24, 34, 37, 38.
#include "nets/layers.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/error.hpp"
#include "nets/network.hpp"
#include "nets/pixel_norm.hpp"
#include "nets/pooling.hpp"
#include "nets/projection_head.hpp"
#include "nets/upsample.hpp"

namespace ganymede::nets {
namespace {

at::Tensor numbers(std::vector<double> values, std::vector<int64_t> shape) { return at::tensor(values, at::kDouble).view(shape); }

double apart(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

at::Tensor slope_at(Layer& layer, const at::Tensor& at_x) {
  const auto x = at_x.clone().requires_grad_(true);
  return torch::autograd::grad({layer.forward(x * 1.0, {}).sum()}, {x})[0];
}

TEST(PixelNorm, MeetsItsClosedForm) {
  PixelNorm norm;
  EXPECT_LE(apart(norm.forward(numbers({3, 4}, {1, 2}), {}), numbers({0.848528, 1.131371}, {1, 2})), 1e-6);
  at::manual_seed(1);
  const auto x = at::randn({3, 7, 4, 5}, at::kDouble), y = norm.forward(x, {});
  EXPECT_LE(apart((y * y).mean(1), at::ones({3, 4, 5}, at::kDouble)), 1e-6);
  EXPECT_LE(apart(norm.forward(x * 10, {}), y), 1e-6);
  const auto zero = at::zeros({1, 3, 2, 2}, at::kDouble);
  EXPECT_EQ(norm.forward(zero, {}).abs().max().item<double>(), 0.0);
  EXPECT_TRUE(at::isfinite(slope_at(norm, zero)).all().item<bool>());
}

TEST(Activation, LeakyKeepsAShareOfNegativeValues) {
  LeakyReLU leaky(0.2);
  EXPECT_EQ(leaky.forward(numbers({-5}, {1, 1}), {}).item<double>(), -1.0);
  EXPECT_LE(apart(slope_at(leaky, numbers({-5, 0, 5}, {1, 3})), numbers({0.2, 0.2, 1}, {1, 3})), 0.0);
  at::manual_seed(2);
  EXPECT_NEAR(leaky.forward(at::randn({1000000}, at::kDouble), {}).square().mean().item<double>(), 0.52, 0.52 * 0.005);
}

TEST(Activation, EluIsExponentialBelowZero) {
  Elu elu;
  EXPECT_LE(apart(elu.forward(numbers({-1, 0, 2}, {1, 3}), {}), numbers({std::exp(-1.0) - 1, 0, 2}, {1, 3})), 1e-12);
  EXPECT_LE(apart(slope_at(elu, numbers({-1, 2}, {1, 2})), numbers({std::exp(-1.0), 1}, {1, 2})), 1e-12);
}

// Each unit takes the largest of its own pieces; the gradient goes to that one, of equal ones to the first.
TEST(Activation, MaxoutTakesTheLargestPiece) {
  Maxout maxout(3);
  const auto x = numbers({1, 5, 2, -4, -3, -3, 0, 0, 0}, {1, 9});
  EXPECT_LE(apart(maxout.forward(x, {}), numbers({5, -3, 0}, {1, 3})), 0.0);
  EXPECT_LE(apart(slope_at(maxout, x), numbers({0, 1, 0, 0, 1, 0, 1, 0, 0}, {1, 9})), 0.0);
}

// What is captured of a layer stays, though the next works in place.
TEST(Activation, OverwritesNothingThatWasCaptured) {
  Network net("discriminator");
  net.add<Linear>(3, 4, Linear::Start::torch_default).add<Elu>().add<Linear>(4, 1, Linear::Start::torch_default);
  net.initialize(Rng(3), 0);
  at::Tensor captured;
  Pass pass;
  pass.capture_layer = 0, pass.captured = &captured;
  const auto x = at::randn({5, 3});
  net.forward(x, pass);
  EXPECT_TRUE(at::equal(captured, net.layer(0).forward(x, {})));
}

TEST(Upsample, RepeatsOrBlends) {
  Upsample nearest(Upsample::Mode::nearest), bilinear(Upsample::Mode::bilinear);
  const auto x = numbers({1, 2, 3, 4}, {1, 1, 2, 2});
  EXPECT_LE(apart(nearest.forward(x, {}), numbers({1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4}, {1, 1, 4, 4})), 0.0);
  EXPECT_LE(apart(bilinear.forward(numbers({0, 4}, {1, 1, 1, 2}), {})[0][0][0], numbers({0, 1, 3, 4}, {4})), 1e-12);
}

// Sizes of section 24, and what a kernel of ones makes of a constant picture: the phases of its inside, and their spread over mean.
at::Tensor phases(Layer& first, Layer* second = nullptr) {
  at::NoGradGuard no_graph;
  for (auto* layer : {&first, second})
    if (layer)
      for (auto& p : layer->parameters()) p.fill_(1.0);
  auto y = first.forward(at::ones({1, 1, 8, 8}), {});
  if (second) y = second->forward(y, {});
  const auto inside = y[0][0].slice(0, 4, 12).slice(1, 4, 12).to(at::kDouble);
  return inside.view({4, 2, 4, 2}).mean({0, 2}).flatten();
}

double checkerboard(const at::Tensor& phase_means) { return (phase_means.std(/*unbiased=*/false) / phase_means.mean()).item<double>(); }

TEST(Upsample, CheckerboardOfTheArchitecture) {
  ConvTranspose2d three(ConvShape{1, 1, 3, 2, 1}), four(ConvShape{1, 1, 4, 2, 1});
  EXPECT_LE(apart(std::get<0>(phases(three).sort()), numbers({1, 2, 2, 4}, {4})), 0.0);
  EXPECT_NEAR(checkerboard(phases(three)), 0.484322, 1e-6);
  EXPECT_EQ(checkerboard(phases(four)), 0.0);
  for (const auto mode : {Upsample::Mode::nearest, Upsample::Mode::bilinear}) {
    Upsample doubled(mode);
    Conv2d conv(ConvShape{1, 1, 3, 1, 1});
    EXPECT_EQ(checkerboard(phases(doubled, &conv)), 0.0);
  }
}

TEST(Upsample, SizesFollowTheFormulas) {
  at::NoGradGuard no_graph;
  const auto x = at::zeros({2, 1, 7, 7});
  for (const int64_t kernel : {3, 4, 5})
    for (const int64_t stride : {1, 2})
      for (const int64_t padding : {0, 1}) {
        ConvTranspose2d up(ConvShape{1, 3, kernel, stride, padding});
        Conv2d down(ConvShape{1, 3, kernel, stride, padding});
        EXPECT_EQ(up.forward(x, {}).size(2), (7 - 1) * stride - 2 * padding + kernel);
        EXPECT_EQ(down.forward(x, {}).size(3), (7 + 2 * padding - kernel) / stride + 1);
      }
  EXPECT_EQ(Upsample(Upsample::Mode::bilinear).forward(x, {}).sizes(), (std::vector<int64_t>{2, 1, 14, 14}));
}

// The published way from 2 to 28 pixels by kernels of 5, and from 4 by kernels of 3.
TEST(Upsample, FurtherRowsMakeOddSidesEven) {
  at::NoGradGuard no_graph;
  for (const auto& [kernel, sides] : {std::pair(int64_t{5}, std::vector<int64_t>{2, 4, 7, 14, 28}), std::pair(int64_t{3}, std::vector<int64_t>{4, 7, 14, 28})})
    for (size_t i = 0; i + 1 < sides.size(); ++i) {
      ConvShape shape{1, 1, kernel, 2, (kernel - 1) / 2, true};
      shape.output_padding = sides[i + 1] == 7 ? 0 : 1;
      ConvTranspose2d up(shape);
      EXPECT_EQ(up.forward(at::zeros({1, 1, sides[i], sides[i]}), {}).size(2), sides[i + 1]) << kernel << " " << sides[i];
    }
}

TEST(Pool, TakesTheMeanOrTheLargest) {
  const auto x = numbers({1, 2, 3, 4}, {1, 1, 2, 2});
  Pool average(Pool::Kind::average), largest(Pool::Kind::largest);
  EXPECT_EQ(average.forward(x, {}).item<double>(), 2.5);
  EXPECT_LE(apart(slope_at(average, x), at::full({1, 1, 2, 2}, 0.25, at::kDouble)), 0.0);
  EXPECT_EQ(largest.forward(x, {}).item<double>(), 4.0);
  EXPECT_LE(apart(slope_at(largest, x), numbers({0, 0, 0, 1}, {1, 1, 2, 2})), 0.0);
  EXPECT_LE(apart(slope_at(largest, at::ones({1, 1, 2, 2}, at::kDouble)), numbers({1, 0, 0, 0}, {1, 1, 2, 2})), 0.0) << "ties go to the first";
  EXPECT_EQ(average.forward(at::zeros({2, 3, 7, 5}), {}).sizes(), (std::vector<int64_t>{2, 3, 3, 2}));
}

TEST(Pool, SumOverPixelsIsNineMeansAtThreeByThree) {
  at::manual_seed(1);
  const auto x = at::randn({2, 5, 3, 3}, at::kDouble);
  GlobalPool mean(GlobalPool::Kind::average), sum(GlobalPool::Kind::sum);
  EXPECT_LE(apart(sum.forward(x, {}), 9 * mean.forward(x, {})), 1e-12);
}

// h=(1,2), w=(1,−1), b=0, e_1=(3,1): 4; the gradient of e_1 is h, that of other rows 0.
TEST(ProjectionHead, MeetsItsClosedForm) {
  ProjectionHead head(2, 3, Linear::Start::dcgan);
  head.to(at::kDouble);
  auto named = head.named_parameters();
  EXPECT_EQ(named.keys(), (std::vector<std::string>{"weight", "bias", "embedding.weight"}));
  {
    at::NoGradGuard no_graph;
    named["weight"].copy_(numbers({1, -1}, {1, 2})), named["bias"].zero_();
    named["embedding.weight"].copy_(numbers({7, 8, 3, 1, 9, 9}, {3, 2}));
  }
  Pass pass;
  pass.labels = at::tensor({1}, at::kLong);
  const auto h = numbers({1, 2}, {1, 2});
  const auto logit = head.forward(h, pass);
  EXPECT_EQ(logit.sizes(), (std::vector<int64_t>{1}));
  EXPECT_EQ(logit.item<double>(), 4.0);
  EXPECT_LE(apart(torch::autograd::grad({logit.sum()}, {named["embedding.weight"]})[0], numbers({0, 0, 1, 2, 0, 0}, {3, 2})), 0.0);
  { at::NoGradGuard no_graph; named["embedding.weight"].zero_(); }
  EXPECT_EQ(head.forward(h, pass).item<double>(), -1.0) << "without embedding the unconditional D";
  EXPECT_THROW(head.forward(h, {}), Error);
}

TEST(ProjectionHead, IsTwiceDifferentiable) {
  for (const auto kind : {WeightRule::Kind::plain, WeightRule::Kind::spectral, WeightRule::Kind::equalized}) {
    Network net("discriminator");
    net.add<Linear>(3, 4, Linear::Start::torch_default, false, WeightRule{kind}).add<Elu>().add<ProjectionHead>(4, 2, Linear::Start::torch_default, WeightRule{kind});
    net.to(at::kDouble), net.initialize(Rng(1), 1), net.eval();
    Pass pass;
    pass.labels = at::tensor({0, 1, 1}, at::kLong);
    at::manual_seed(3);
    const auto x = at::randn({3, 3}, at::kDouble).requires_grad_(true);
    const auto penalty = [&] {
      const auto slope = torch::autograd::grad({net.forward(x, pass).sum()}, {x}, {}, true, /*create_graph=*/true)[0];
      return slope.square().sum();
    };
    const auto parameters = net.parameters();
    const auto found = torch::autograd::grad({penalty()}, parameters, {}, false, false, /*allow_unused=*/true);
    for (size_t i = 0; i < parameters.size(); ++i) {
      if (!found[i].defined()) continue;
      const auto value = parameters[i].detach().flatten()[0];
      constexpr double step = 1e-5;
      value.add_(step);
      const double above = penalty().item<double>();
      value.sub_(2 * step);
      const double below = penalty().item<double>();
      value.add_(step);
      EXPECT_NEAR(found[i].flatten()[0].item<double>(), (above - below) / (2 * step), 1e-6) << i;
    }
  }
}

}  // namespace
}  // namespace ganymede::nets
