// Weights that are used otherwise than they are stored: spectral normalization (gan-systems, section 28) and equalized learning
// rate (section 19).
#include "nets/scaled_weight.hpp"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "gan/optimizer.hpp"
#include "nets/network.hpp"
#include "nets/spectral_norm.hpp"
#include "parallel/flat_network.hpp"

namespace ganymede::nets {
namespace {

constexpr WeightRule spectral{WeightRule::Kind::spectral};
constexpr WeightRule equalized{WeightRule::Kind::equalized};

std::vector<std::string> names(const torch::nn::Module& module) {
  std::vector<std::string> all;
  for (const auto& item : module.named_parameters()) all.push_back(item.key());
  for (const auto& item : module.named_buffers()) all.push_back(item.key());
  return all;
}

at::Tensor orthogonal(int64_t rows, int64_t columns) { return std::get<0>(at::linalg_qr(at::randn({rows, columns}, at::kDouble))); }

TEST(SpectralNorm, NamesAreThoseOfPyTorch) {
  EXPECT_EQ(names(Conv2d(ConvShape{2, 3, 4, 2, 1, true}, spectral)),
            (std::vector<std::string>{"bias", "parametrizations.weight.original", "parametrizations.weight.0._u", "parametrizations.weight.0._v"}));
}

TEST(SpectralNorm, FindsTheLargerOfTwo) {
  SpectralNorm norm(2, 2, 0);
  norm.to(at::kDouble);
  const auto w = at::diag(at::tensor({3.0, 1.0}, at::kDouble));
  norm.start(w, Rng(1), Draw{Purpose::init}, 0);
  EXPECT_LE((norm.apply(w) - at::diag(at::tensor({1.0, 1.0 / 3}, at::kDouble))).abs().max().item<double>(), 1e-12);
}

// After the iterations at the start: sigma to 1e-6, and its gradient is u·vᵀ.
TEST(SpectralNorm, FindsAPlantedSingularValueAtItsStart) {
  at::manual_seed(4);
  const auto values = at::linspace(1.5, 0.1, 32, at::TensorOptions(at::kDouble));
  values[0] = 3.0, values[1] = 1.5;
  const auto left = orthogonal(64, 32), right = orthogonal(32, 32);
  auto w = at::mm(left * values, right.t());
  w.requires_grad_(true);
  SpectralNorm norm(64, 32, 0);
  norm.to(at::kDouble);
  norm.start(w, Rng(1), Draw{Purpose::init}, 0);
  norm.eval();
  const auto used = norm.apply(w);
  const double sigma = w[0][0].item<double>() / used[0][0].item<double>();
  EXPECT_LT(std::abs(sigma - 3.0) / 3.0, 1e-6);
  // Σ W₀·W/σ with W₀ constant has the gradient W₀/σ − (ΣW₀·W₀/σ²)·dσ/dW, and dσ/dW = u·vᵀ.
  const auto fixed = w.detach();
  const auto found = torch::autograd::grad({(used * fixed).sum()}, {w})[0];
  const auto expected = fixed / 3.0 - (fixed * fixed).sum() / 9.0 * at::outer(left.select(1, 0), right.select(1, 0));
  EXPECT_LE((found - expected).abs().max().item<double>(), 1e-6);
}

TEST(SpectralNorm, MovesOnOnceATrainingForwardAndNeverInEvaluation) {
  Network d("discriminator");
  d.add<Conv2d>(ConvShape{2, 5, 4, 2, 1, true}, spectral).add<LeakyReLU>(0.2).add<Conv2d>(ConvShape{5, 3, 4, 2, 1, true}, spectral);
  d.to(at::kDouble);
  d.initialize(Rng(3), 1);
  at::NoGradGuard no_graph;
  for (auto& p : d.parameters()) p.add_(at::randn_like(p));  // away from convergence
  const auto x = at::randn({2, 2, 8, 8}, at::kDouble);
  const auto moved = [&](const std::string& layer) {
    const auto u = d.named_buffers()[layer + ".parametrizations.weight.0._u"], v = d.named_buffers()[layer + ".parametrizations.weight.0._v"];
    const auto w = d.named_parameters()[layer + ".parametrizations.weight.original"].flatten(1);
    const auto before = v.clone();
    d.forward(x);
    auto expected = at::mv(w, before);
    expected /= expected.norm();
    EXPECT_TRUE(at::allclose(u, expected, 1e-12, 1e-12)) << layer;
    expected = at::mv(w.t(), expected);
    EXPECT_TRUE(at::allclose(v, expected / expected.norm(), 1e-12, 1e-12)) << layer;
    return !at::equal(before, v);
  };
  EXPECT_TRUE(moved("0"));
  EXPECT_TRUE(moved("2")) << "computed together with the activation in front of it";
  d.eval();
  const auto once = d.forward(x);
  EXPECT_TRUE(at::equal(d.forward(x), once));
}

// The transposed convolution's outputs are on axis 1.
TEST(SpectralNorm, CountsOutputsOfTransposedConvolutions) {
  ConvTranspose2d layer(ConvShape{3, 5, 4}, spectral);
  layer.to(at::kDouble);
  EXPECT_EQ(layer.named_buffers()["parametrizations.weight.0._u"].numel(), 5);
  EXPECT_EQ(layer.named_buffers()["parametrizations.weight.0._v"].numel(), 3 * 16);
  at::NoGradGuard no_graph;
  const auto w = layer.parameters()[0].normal_();
  layer.start(Rng(1), Draw{Purpose::init}, 0);
  for (int i = 0; i < 300; ++i) layer.linear_map();
  const auto sigma = std::get<1>(at::linalg_svd(w.permute({1, 0, 2, 3}).flatten(1)))[0];
  EXPECT_LE((layer.linear_map()->weight - w / sigma).abs().max().item<double>(), 1e-6);
}

// Two forwards before one backward, as D's halves or a penalty need: the first one's u and v are not those of the second.
TEST(SpectralNorm, KeepsTheVectorsOfEachForward) {
  Linear layer(4, 3, Linear::Start::torch_default, false, spectral);
  layer.to(at::kDouble);
  {
    at::NoGradGuard no_graph;
    for (auto& p : layer.parameters()) p.normal_();
  }
  const auto w = layer.parameters()[1];
  layer.start(Rng(1), Draw{Purpose::init}, 0);
  w.detach().mul_(at::rand_like(w));  // away from convergence, else the vectors would not move
  const auto x = at::randn({2, 4}, at::kDouble);
  const auto one = layer.forward(x, {}).square().sum();
  const auto alone = torch::autograd::grad({one}, {w}, {}, /*retain_graph=*/true)[0];
  layer.forward(x, {});
  EXPECT_TRUE(at::equal(torch::autograd::grad({one}, {w})[0], alone));
}

// Under autocast sigma is computed in the weights' own type.
TEST(SpectralNorm, IsNotRoundedByAutocast) {
  Linear plain(64, 48, Linear::Start::dcgan, false, spectral), cast(64, 48, Linear::Start::dcgan, false, spectral);
  for (auto* layer : {&plain, &cast}) {
    at::manual_seed(1);
    at::NoGradGuard no_graph;
    layer->parameters()[1].normal_();
    layer->start(Rng(1), Draw{Purpose::init}, 0);
  }
  const auto expected = plain.linear_map()->weight;
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  at::autocast::set_autocast_enabled(at::kCPU, true);
  const auto found = cast.linear_map()->weight;
  at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(at::kCPU, false);
  EXPECT_TRUE(at::equal(found, expected));
}

TEST(EqualizedRate, ScalesByFanInAndGain) {
  const auto scale = [](Layer& layer) {
    at::NoGradGuard no_graph;
    layer.parameters()[0].fill_(1.0);
    return layer.linear_map()->weight.flatten()[0].item<float>();
  };
  Conv2d conv(ConvShape{512, 2, 3, 1, 1}, equalized);
  EXPECT_NEAR(scale(conv), 0.0208333, 1e-7);
  Linear dense(512, 2, Linear::Start::dcgan, false, {WeightRule::Kind::equalized, std::numbers::sqrt2 / 4});
  EXPECT_NEAR(scale(dense), 0.015625, 1e-9);
  ConvTranspose2d up(ConvShape{8, 2, 4}, {WeightRule::Kind::equalized, 1.0});
  EXPECT_NEAR(scale(up), 1.0 / std::sqrt(8.0 * 16), 1e-7);
}

TEST(EqualizedRate, StartsAtOneAndScalesTheGradient) {
  Network net("discriminator");
  net.add<Linear>(300, 400, Linear::Start::torch_default, false, equalized);
  net.to(at::kDouble);
  net.initialize(Rng(2), 1);
  const auto w = net.parameters()[0];
  EXPECT_NEAR(w.std().item<double>(), 1.0, 0.01);
  EXPECT_EQ(net.parameters()[1].abs().max().item<double>(), 0.0);
  const auto x = at::randn({3, 300}, at::kDouble);
  const double scale = std::sqrt(2.0 / 300);
  const auto used = (w.detach() * scale).requires_grad_(true);
  const auto expected = torch::autograd::grad({at::linear(x, used).square().sum()}, {used})[0];
  const auto found = torch::autograd::grad({net.forward(x).square().sum()}, {w})[0];
  EXPECT_LE((found - scale * expected).abs().max().item<double>(), 1e-10);
}

// What it is for: Adam's step, of size lr whatever the gradient, moves the used weights by lr·scale in every layer.
TEST(EqualizedRate, GivesEveryLayerAdamsStepTimesItsScale) {
  auto net = std::make_shared<Network>("discriminator");
  net->add<Linear>(50, 200, Linear::Start::dcgan, false, equalized).add<Linear>(200, 3, Linear::Start::dcgan, false, WeightRule{WeightRule::Kind::equalized, 1.0});
  net->to(at::kDouble);
  parallel::FlatNetwork flat(net, true);
  net->initialize(Rng(2), 1);
  const auto used = [&](size_t layer) { return net->layer(layer).linear_map()->weight.detach().clone(); };
  const auto before0 = used(0), before1 = used(1);
  at::manual_seed(1);
  net->forward(at::randn({4, 50}, at::kDouble)).sum().backward();
  gan::OptimizerConfig config;
  config.lr = 0.01, config.eps = 1e-14;
  gan::Optimizer(config, flat.weights()).step();
  EXPECT_LE(((used(0) - before0).abs() - 0.01 * std::sqrt(2.0 / 50)).abs().max().item<double>(), 1e-6);
  EXPECT_LE(((used(1) - before1).abs() - 0.01 * std::sqrt(1.0 / 200)).abs().max().item<double>(), 1e-6);
}

}  // namespace
}  // namespace ganymede::nets
