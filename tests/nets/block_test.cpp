// Batch norm, activation and the layer behind them as one step of autograd, against LibTorch's separate operations.
#include "nets/block.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "comm/thread_ranks.hpp"
#include "nets/architectures.hpp"
#include "nets/matrix_product.hpp"
#include "parallel/reducer.hpp"

namespace ganymede::nets {
namespace {

constexpr int64_t channels = 11;  // eight abreast and a rest

struct Case {
  std::string name;
  bool has_norm = true, training = true, channels_last = true, map_is_trained = true;
  double slope = 0.2;
  std::optional<LinearMap::Kind> map = LinearMap::Kind::convolution;
  int64_t output_padding = 0;
};

std::vector<Case> cases() {
  using Kind = LinearMap::Kind;
  std::vector<Case> all;
  for (const bool last : {true, false})
    for (const double slope : {0.0, 0.2, 1.0})
      for (const auto map : {std::optional(Kind::convolution), std::optional(Kind::transposed), std::optional<Kind>()})
        for (const bool training : {true, false})
          all.push_back({fmt::format("{} slope {} map {} {}", last ? "channels-last" : "planes", slope, map ? static_cast<int>(*map) : -1, training ? "train" : "eval"),
                         true, training, last, true, slope, map});
  all.push_back({"locked map", true, true, true, false, 0.2, Kind::convolution});
  all.push_back({"no norm", false, true, true, true, 0.2, Kind::convolution});
  all.push_back({"no norm, ReLU, locked", false, true, false, false, 0.0, Kind::transposed});
  all.push_back({"no norm, locked", false, true, false, false, 0.2, Kind::convolution});
  all.push_back({"no norm, channels-last, locked", false, true, true, false, 0.2, Kind::convolution});
  all.push_back({"no norm, matrix", false, true, false, true, 0.2, Kind::matrix});
  all.push_back({"no norm, matrix, locked", false, true, false, false, 0.2, Kind::matrix});
  all.push_back({"matrix", true, true, false, true, 0.2, Kind::matrix});
  all.push_back({"further rows", true, true, true, true, 1.0, Kind::transposed, 1});
  all.push_back({"further rows, ReLU", true, true, false, true, 0.0, Kind::transposed, 1});
  all.push_back({"further rows, no norm", false, true, true, true, 0.2, Kind::transposed, 1});
  all.push_back({"further rows, locked", false, true, true, false, 0.2, Kind::transposed, 1});
  return all;
}

struct Values {
  at::Tensor x, gamma, beta, weight, bias, mean, variance;
};

Values draw(const Case& c, at::ScalarType type) {
  at::manual_seed(7);
  Values v;
  const bool flat = c.map == LinearMap::Kind::matrix;
  v.x = (flat ? at::randn({9, channels}, at::kDouble) : at::randn({5, channels, 6, 5}, at::kDouble)) * 2 + (c.has_norm ? 3.0 : 0.0);
  if (c.channels_last && !flat) v.x = v.x.contiguous(at::MemoryFormat::ChannelsLast);
  v.gamma = at::rand({channels}, at::kDouble) + 0.5, v.beta = at::randn({channels}, at::kDouble);
  v.mean = at::randn({channels}, at::kDouble) + 3, v.variance = at::rand({channels}, at::kDouble) + 2;
  if (c.map) v.weight = flat ? at::randn({3, channels}, at::kDouble) : c.map == LinearMap::Kind::convolution ? at::randn({3, channels, 4, 4}, at::kDouble) : at::randn({channels, 3, 4, 4}, at::kDouble);
  if (c.map) v.bias = at::randn({3}, at::kDouble);
  for (auto* t : {&v.x, &v.gamma, &v.beta, &v.weight, &v.bias}) {
    if (!t->defined()) continue;
    *t = t->to(type).detach();
    t->requires_grad_(t == &v.weight || t == &v.bias ? c.map_is_trained : true);
  }
  return v;
}

at::Tensor fused(const Case& c, const Values& v) {
  std::optional<NormInput> norm;
  if (c.has_norm) {
    at::NoGradGuard no_graph;
    const auto x = v.x.detach().to(at::kDouble).transpose(0, 1).reshape({channels, -1});
    norm = NormInput{v.gamma, v.beta, {v.mean, v.variance, 0, nullptr}};
    if (c.training) norm->statistics = {x.mean(1), x.var(1, /*unbiased=*/false), static_cast<double>(x.size(1)), nullptr};
  }
  const auto x = c.has_norm ? v.x : v.x * 1.0;  // without norm the block overwrites its input
  if (!c.map) return run_block(x, norm, c.slope, nullptr, false);
  const LinearMap map{*c.map, 2, 1, v.weight, v.bias, c.output_padding};
  return run_block(x, norm, c.slope, &map, false);
}

at::Tensor separate(const Case& c, const Values& v) {
  auto y = v.x;
  if (c.has_norm) y = at::batch_norm(y, v.gamma, v.beta, c.training ? at::Tensor() : v.mean.to(v.gamma.scalar_type()), c.training ? at::Tensor() : v.variance.to(v.gamma.scalar_type()), c.training, 0, 1e-5, false);
  y = at::leaky_relu(y, c.slope);
  if (!c.map) return y;
  if (c.map == LinearMap::Kind::matrix) return at::linear(y, v.weight, v.bias);
  return c.map == LinearMap::Kind::convolution ? at::conv2d(y, v.weight, v.bias, 2, 1) : at::conv_transpose2d(y, v.weight, v.bias, 2, 1, c.output_padding);
}

std::vector<at::Tensor> inputs_of(const Case& c, const Values& v) {
  std::vector<at::Tensor> all{v.x};
  if (c.has_norm) all.push_back(v.gamma), all.push_back(v.beta);
  if (c.map && c.map_is_trained) all.push_back(v.weight), all.push_back(v.bias);
  return all;
}

std::vector<at::Tensor> gradients(const Case& c, const Values& v, at::Tensor y) {
  at::manual_seed(8);
  return torch::autograd::grad({y}, inputs_of(c, v), {at::randn(y.sizes(), at::kDouble).to(y.scalar_type())});
}

double apart(const at::Tensor& a, const at::Tensor& b) {
  return ((a.to(at::kDouble) - b.to(at::kDouble)).abs() / (b.to(at::kDouble).abs() + 1.0)).max().item<double>();
}

TEST(Block, EqualsSeparateOperations) {
  for (const auto& c : cases()) {
    const auto v = draw(c, at::kDouble);
    const auto y = fused(c, v), expected = separate(c, v);
    EXPECT_LE(apart(y, expected), 1e-12) << c.name;
    const auto g = gradients(c, v, y), g_expected = gradients(c, v, expected);
    for (size_t i = 0; i < g.size(); ++i) EXPECT_LE(apart(g[i], g_expected[i]), 1e-12) << c.name << ", gradient " << i;
  }
}

TEST(Block, EqualsItsFiniteDifferences) {
  for (const auto& c : cases()) {
    if (c.slope != 1.0 && c.has_norm) continue;  // a kink between two points spoils a difference; signs are tested above
    const auto v = draw(c, at::kDouble);
    const auto direction = at::randn_like(v.x);
    const auto slope = (gradients(c, v, fused(c, v))[0] * direction).sum().item<double>();
    const auto at_ = [&](double h) {
      auto moved = v;
      moved.x = (v.x + h * direction).detach();
      at::manual_seed(8);
      const auto y = fused(c, moved).detach();
      return (y * at::randn(y.sizes(), at::kDouble)).sum().item<double>();
    };
    const double numeric = (at_(1e-6) - at_(-1e-6)) / 2e-6;
    EXPECT_NEAR(slope, numeric, 1e-5 * (1 + std::abs(numeric))) << c.name;
  }
}

TEST(Block, HasTwoDerivatives) {
  for (const auto& c : cases()) {
    std::vector<std::vector<at::Tensor>> second;
    for (const bool is_fused : {true, false}) {
      const auto v = draw(c, at::kDouble);
      const auto y = is_fused ? fused(c, v) : separate(c, v);
      const auto dx = torch::autograd::grad({y.square().sum()}, {v.x}, {}, std::nullopt, /*create_graph=*/true)[0];
      second.push_back(torch::autograd::grad({dx.square().sum()}, inputs_of(c, v), {}, std::nullopt, false, /*allow_unused=*/true));
    }
    for (size_t i = 0; i < second[0].size(); ++i) {
      ASSERT_EQ(second[0][i].defined(), second[1][i].defined()) << c.name << ", input " << i;
      if (second[0][i].defined()) { EXPECT_LE(apart(second[0][i], second[1][i]), 1e-9) << c.name << ", input " << i; }
    }
  }
}

// As unrolled GANs differentiate the gradients of weights.
TEST(Block, GradientsOfWeightsHaveDerivatives) {
  for (const auto& c : cases()) {
    std::vector<std::vector<at::Tensor>> second;
    for (const bool is_fused : {true, false}) {
      const auto v = draw(c, at::kDouble);
      const auto y = is_fused ? fused(c, v) : separate(c, v);
      auto sum = at::zeros({}, at::kDouble);
      for (const auto& g : torch::autograd::grad({y.square().sum()}, inputs_of(c, v), {}, std::nullopt, /*create_graph=*/true)) sum = sum + g.square().sum();
      second.push_back(torch::autograd::grad({sum}, inputs_of(c, v), {}, std::nullopt, false, /*allow_unused=*/true));
    }
    for (size_t i = 0; i < second[0].size(); ++i) {
      ASSERT_EQ(second[0][i].defined(), second[1][i].defined()) << c.name << ", input " << i;
      if (second[0][i].defined()) { EXPECT_LE((second[0][i] - second[1][i]).norm().item<double>(), 1e-12 * second[1][i].norm().item<double>() + 1e-9) << c.name << ", input " << i; }
    }
  }
}

// Not against LibTorch's batch norm: its second derivative takes the statistics for constants, so a third one of it is wrong.
TEST(Block, HasThreeDerivatives) {
  for (const auto& c : cases()) {
    std::vector<double> third;
    for (const bool is_fused : {true, false}) {
      const auto v = draw(c, at::kDouble);
      auto plain = c;
      auto by_hand = v;
      if (c.has_norm && !is_fused) {
        const auto channel = [&](const at::Tensor& t) { return v.x.dim() == 4 ? t.view({1, channels, 1, 1}) : t.view({1, channels}); };
        const std::vector<int64_t> axes = v.x.dim() == 4 ? std::vector<int64_t>{0, 2, 3} : std::vector<int64_t>{0};
        const auto mean = c.training ? v.x.mean(axes, true) : channel(v.mean);
        const auto variance = c.training ? (v.x - mean).square().mean(axes, true) : channel(v.variance);
        by_hand.x = (v.x - mean) / at::sqrt(variance + 1e-5) * channel(v.gamma) + channel(v.beta);
        plain.has_norm = false;
      }
      auto slope = (is_fused ? fused(c, v) : separate(plain, by_hand)).sin().sum();
      const auto direction = at::randn_like(v.x) + 1;  // with a share along the shifts that batch norm does not see
      for (int order = 0; order < 3; ++order)
        slope = torch::autograd::grad({slope}, {v.x}, {}, std::nullopt, /*create_graph=*/true)[0].mul(direction).sum();
      third.push_back(slope.item<double>());
    }
    EXPECT_NEAR(third[0], third[1], 1e-9 * (1 + std::abs(third[1]))) << c.name;
  }
}

// What makes the penalty on a critic's slope cheap: its graph holds the opposite maps, and no forward pass again.
TEST(Block, TheSlopeOfAnActivationDependsOnNoValue) {
  for (const auto& c : cases()) {
    if (c.has_norm || !c.map) continue;
    const auto v = draw(c, at::kDouble);
    const auto dx = torch::autograd::grad({fused(c, v).sum()}, {v.x}, {}, std::nullopt, /*create_graph=*/true)[0];
    if (!c.map_is_trained) {
      EXPECT_FALSE(dx.requires_grad()) << c.name;
      continue;
    }
    const auto second = torch::autograd::grad({dx.square().sum()}, {v.x, v.weight, v.bias}, {}, std::nullopt, false, /*allow_unused=*/true);
    EXPECT_FALSE(second[0].defined()) << c.name;
    EXPECT_TRUE(second[1].defined()) << c.name;
    EXPECT_FALSE(second[2].defined()) << c.name;
  }
}

// gan-systems 13: the penalty of WGAN-GP on a critic of two convolutions, against central differences in each weight's direction.
TEST(Block, ThePenaltyOnASlopeEqualsItsFiniteDifferences) {
  Network critic("discriminator");
  critic.add<Conv2d>(ConvShape{2, 4, 4, 2, 1, true}).add<LeakyReLU>(0.2).add<Conv2d>(ConvShape{4, 5, 4, 2, 1, true}).add<LeakyReLU>(0.2);
  critic.add<Reshape>(std::vector<int64_t>{20}).add<Linear>(20, 1, Linear::Start::torch_default);
  critic.to(at::kDouble);
  at::manual_seed(9);
  for (auto& p : critic.parameters()) p.detach().normal_(0, 0.5);
  const auto x = at::randn({3, 2, 8, 8}, at::kDouble);
  const auto penalty = [&](bool with_graph) {
    const auto at_x = x.clone().requires_grad_(true);
    const auto slope = torch::autograd::grad({critic.forward(at_x).sum()}, {at_x}, {}, std::nullopt, with_graph)[0];
    return (slope.square().sum({1, 2, 3}).add(1e-10).sqrt() - 1).square().mean();
  };
  for (auto& p : critic.parameters()) {
    const auto slope = torch::autograd::grad({penalty(true)}, {p}, {}, std::nullopt, false, /*allow_unused=*/true)[0];
    const auto direction = at::randn_like(p);
    const auto moved = [&](double h) {
      at::NoGradGuard no_graph;
      p.add_(direction, h);
    };
    moved(1e-5);
    const double after = penalty(false).item<double>();
    moved(-2e-5);
    const double before = penalty(false).item<double>();
    moved(1e-5);
    const double numeric = (after - before) / 2e-5, found = slope.defined() ? (slope * direction).sum().item<double>() : 0.0;
    EXPECT_NEAR(found, numeric, 1e-5 * (std::abs(numeric) + 1e-3)) << p.sizes();
  }
}

// The width and batch of training; LibTorch's NCHW batch norm meets this bound, its channels-last one does not.
TEST(Block, StaysNearTheTruthInFloat32) {
  at::manual_seed(2);
  const auto x = (at::randn({64, 64, 16, 16}, at::kFloat) + 2).contiguous(at::MemoryFormat::ChannelsLast), dy = at::randn_like(x);
  const auto run = [&](at::ScalarType type) {
    BatchNorm norm(64);
    norm.to(type);
    {
      at::NoGradGuard no_graph;
      norm.parameters()[0].fill_(1.1), norm.parameters()[1].fill_(0.1);
    }
    const auto input = x.to(type, false, /*copy=*/true).requires_grad_(true);
    const auto y = norm.forward(input, {});
    y.backward(dy.to(type, false, true));
    return std::vector<at::Tensor>{y.detach(), input.grad(), norm.parameters()[0].grad(), norm.parameters()[1].grad()};
  };
  const auto rounded = run(at::kFloat), truth = run(at::kDouble);
  for (size_t i = 0; i < truth.size(); ++i) EXPECT_LE(apart(rounded[i], truth[i]), 5e-6) << i;
}

TEST(Block, AddsUpTheSameOnAnyNumberOfThreads) {
  const auto x = at::randn({64, 24, 40, 40}).contiguous(at::MemoryFormat::ChannelsLast);
  BatchNorm norm(24);
  at::NoGradGuard no_graph;
  norm.parameters()[0].fill_(1), norm.parameters()[1].fill_(0);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = norm.forward(x, {});
  at::set_num_threads(3);
  const auto three = norm.forward(x, {});
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(one, three));
}

TEST(Block, ALargeMeanDoesNotCancel) {
  BatchNorm norm(1);
  at::NoGradGuard no_graph;
  norm.parameters()[0].fill_(1), norm.parameters()[1].fill_(0);
  const auto y = norm.forward(at::tensor({10000.0f, 10002.0f, 10004.0f, 10006.0f}).view({4, 1}), {});
  EXPECT_NEAR(y[0][0].item<float>(), -1.341639f, 1e-5f);
}

// A rank may have no sample at all; the sums of the others must reach it, and its gradients are zero.
TEST(Block, ARankWithoutRowsTakesPart) {
  const auto x = at::randn({6, 4, 3, 3}, at::kDouble), dy = at::randn({6, 4, 3, 3}, at::kDouble);
  const std::vector<int64_t> cuts{0, 2, 2, 6};
  std::vector<at::Tensor> dx(3), d_weight(3), running(3);
  comm::run_thread_ranks(3, [&](comm::Communicator& communicator) {
    parallel::WaitTimes waits;
    parallel::GlobalStatistics statistics(communicator, 20.0, waits);
    BatchNorm norm(4);
    norm.to(at::kDouble);
    norm.share_statistics(&statistics);
    for (auto p : norm.parameters()) p.detach().fill_(0.7);
    const int r = communicator.rank();
    const auto input = x.slice(0, cuts[r], cuts[r + 1]).detach().clone().requires_grad_(true);
    norm.forward(input, {}).backward(dy.slice(0, cuts[r], cuts[r + 1]));
    dx[r] = input.grad(), d_weight[r] = norm.parameters()[0].grad(), running[r] = norm.buffers()[0];
  });
  EXPECT_EQ(dx[1].size(0), 0);
  EXPECT_EQ(d_weight[1].abs().max().item<double>(), 0.0);
  EXPECT_TRUE(at::equal(running[0], running[1]) && at::equal(running[0], running[2]));
  const auto whole = x.detach().clone().requires_grad_(true);
  const auto gamma = at::full({4}, 0.7, at::kDouble);
  at::batch_norm(whole, gamma, gamma, {}, {}, true, 0.1, 1e-5, false).backward(dy);
  EXPECT_LE(apart(at::cat(dx), whole.grad()), 1e-12);
}

// Under autocast: the types that separate layers would give, values near float32's, gradients of weights in float32.
TEST(Block, Bfloat16StaysNearFloat32) {
  for (const auto& c : cases()) {
    if (!c.map || !c.map_is_trained) continue;
    const auto v = draw(c, at::kFloat);
    const auto y = fused(c, v);
    auto half = draw(c, at::kFloat);
    at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
    at::autocast::set_autocast_enabled(at::kCPU, true);
    const auto narrow = fused(c, half);
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(at::kCPU, false);
    EXPECT_EQ(narrow.scalar_type(), at::kBFloat16) << c.name;
    EXPECT_LE(apart(narrow, y) , 0.2) << c.name;
    const auto g = gradients(c, half, narrow), expected = gradients(c, v, y);
    for (size_t i = 0; i < g.size(); ++i) {
      EXPECT_EQ(g[i].scalar_type(), at::kFloat) << c.name;
      EXPECT_LE((g[i] - expected[i]).norm().item<double>(), 0.05 * (1 + expected[i].norm().item<double>())) << c.name << ", gradient " << i;
    }
  }
}

TEST(Block, NormalizesBfloat16WithFloat32Statistics) {
  const auto x = (at::randn({8, channels, 4, 4}) * 2 + 1).to(at::kBFloat16).contiguous(at::MemoryFormat::ChannelsLast);
  BatchNorm norm(channels), exact(channels);
  at::NoGradGuard no_graph;
  for (auto* n : {&norm, &exact}) n->parameters()[0].fill_(1), n->parameters()[1].fill_(0);
  const auto y = norm.forward(x, {}), expected = exact.forward(x.to(at::kFloat), {});
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::equal(norm.buffers()[0], exact.buffers()[0]));
  EXPECT_TRUE(at::equal(y, expected.to(at::kBFloat16)));
}

// Both libraries behind it, plain and transposed operands.
TEST(MatrixProduct, EqualsFloat64OnBothSidesOfItsThreshold) {
  at::manual_seed(5);
  for (const auto& [rows, in, out] : {std::array<int64_t, 3>{512, 128, 96}, {130, 192, 128}, {64, 2, 128}, {0, 128, 128}}) {
    const auto x = at::randn({rows, in}), w = at::randn({out, in}), b = at::randn({out});
    const auto expected = at::linear(x.to(at::kDouble), w.to(at::kDouble), b.to(at::kDouble));
    EXPECT_LE(rows ? apart(matrix_product(x, w, b), expected) : 0.0, 5e-5) << rows;  // float32 sums of up to 192 products
    EXPECT_EQ(matrix_product(x, w, b).sizes(), expected.sizes());
    if (!rows) continue;
    EXPECT_LE(apart(matrix_product(x.t().contiguous().t(), w.t().contiguous().t(), {}), expected - b.to(at::kDouble)), 5e-5) << rows;
  }
}

// Evaluation and training without graph compute what training with graph does, and overwrite no latents.
TEST(Block, WithoutGraphEqualsWithGraph) {
  const Rng rng(4);
  auto g = make_generator({Kind::dcgan, 4, 2}, {10, Prior::normal}, {false, 32, 32, 1, 0});
  g->initialize(rng, 0);
  const auto z = at::randn({3, 10}), kept = z.clone();
  const auto with = g->forward(z);
  at::NoGradGuard no_graph;
  EXPECT_TRUE(at::equal(g->forward(z), with));
  EXPECT_TRUE(at::equal(z, kept));
}

}  // namespace
}  // namespace ganymede::nets
