#include "nets/minibatch_discrimination.hpp"

#include <cmath>

#include "core/error.hpp"
#include "nets/layer_derivatives.hpp"

namespace ganymede::nets {
namespace {

std::shared_ptr<MinibatchDiscrimination> plain_kernel() {  // J = I = 1, M = f, no bias
  auto layer = std::make_shared<MinibatchDiscrimination>(1, 1, 1);
  layer->to(at::kDouble);
  at::NoGradGuard no_graph;
  layer->parameters()[0].fill_(0.3), layer->parameters()[1].fill_(0), layer->parameters()[2].fill_(0);  // 0.3 is normalized to 1
  return layer;
}

// gan-systems 21, (a).
TEST(MinibatchDiscrimination, MeetsItsClosedForm) {
  const auto f = at::tensor({0., 1., 3.}, at::kDouble).view({3, 1});
  const double expected[] = {0.417667, 0.503215, 0.185122};
  const auto y = plain_kernel()->forward(f, {});
  EXPECT_EQ(y.sizes(), (at::IntArrayRef{3, 2}));
  for (int64_t i = 0; i < 3; ++i) EXPECT_NEAR(y[i][1].item<double>(), expected[i], 5e-7);
  on_ranks(3, [&](int r, BatchStatistics& statistics) {  // a sample each: by itself none is near anything
    const auto layer = plain_kernel();
    layer->share_statistics(&statistics);
    EXPECT_NEAR(layer->forward(f.slice(0, r, r + 1), pass_of({range_of({0, 1, 2, 3}, r)}))[0][1].item<double>(), expected[r], 5e-7);
  });
  EXPECT_EQ(plain_kernel()->forward(at::full({5, 1}, 2.0, at::kDouble), {})[0][1].item<double>(), 4.0);
}

TEST(MinibatchDiscrimination, StartsAsItsAuthorsStartIt) {
  MinibatchDiscrimination layer(512, 8, 5);
  const auto names = layer.named_parameters();
  EXPECT_EQ(names.keys(), (std::vector<std::string>{"weight", "log_scale", "bias"}));
  const auto start = layer.initial();
  EXPECT_EQ(start[0].b, 0.05);
  EXPECT_EQ(start[1].a, 0.0);
  EXPECT_EQ(start[2].a, -1.0);
}

TEST(MinibatchDiscrimination, PlainHasItsKernelsAlone) {
  MinibatchDiscrimination layer(1, 1, 1, /*is_plain=*/true);
  layer.to(at::kDouble);
  EXPECT_EQ(layer.named_parameters().keys(), (std::vector<std::string>{"weight"}));
  EXPECT_EQ(layer.initial()[0].b, 1.0);
  at::NoGradGuard no_graph;
  layer.parameters()[0].fill_(0.5);  // M = 0, 0.5, 1.5
  const auto y = layer.forward(at::tensor({0., 1., 3.}, at::kDouble).view({3, 1}), {});
  EXPECT_NEAR(y[0][1].item<double>(), std::exp(-0.5) + std::exp(-1.5), 1e-12);
  EXPECT_NEAR(y[2][1].item<double>(), std::exp(-1.5) + std::exp(-1.0), 1e-12);
}

TEST(MinibatchDiscrimination, EqualsItsFiniteDifferences) {
  at::manual_seed(4);
  MinibatchDiscrimination layer(5, 3, 2);
  fill(layer, 1);
  expect_finite_differences(layer, at::randn({6, 5}, at::kDouble), {}, 1e-6);
}

TEST(MinibatchDiscrimination, SecondDerivativesEqualThoseOfSeparateOperations) {
  at::manual_seed(5);
  std::vector<std::vector<at::Tensor>> second;
  const auto a = at::randn({2, 3, 4}, at::kDouble), b = at::randn({2, 3, 6}, at::kDouble);
  for (const bool is_ours : {true, false}) {
    const auto p = a.clone().requires_grad_(true), q = b.clone().requires_grad_(true);
    const auto d = is_ours ? l1_distances(p, q) : (p.unsqueeze(3) - q.unsqueeze(2)).abs().sum(0);
    const auto first = torch::autograd::grad({at::exp(-d).sum()}, {p, q}, {}, std::nullopt, /*create_graph=*/true);
    second.push_back(torch::autograd::grad({first[0].square().sum() + first[1].pow(3).sum()}, {p, q}));
  }
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(at::allclose(second[0][i], second[1][i], 1e-12, 1e-12));
}

TEST(MinibatchDiscrimination, IsThatOfOneProcess) {
  at::manual_seed(6);
  const auto make = [] {
    auto layer = std::make_shared<MinibatchDiscrimination>(5, 3, 2);
    fill(*layer, 2);
    return layer;
  };
  for (const Starts& starts : {Starts{0, 9}, {0, 4, 8}, {0, 1, 2, 3}, {0, 3, 3, 8}, {0, 2, 5, 6, 10}})
    expect_equal_on_ranks(make, at::randn({starts.back(), 5}, at::kDouble), starts);
}

}  // namespace
}  // namespace ganymede::nets
