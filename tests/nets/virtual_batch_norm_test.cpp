#include "nets/virtual_batch_norm.hpp"

#include "core/error.hpp"
#include "nets/layer_derivatives.hpp"

namespace ganymede::nets {
namespace {

RowRange reference_of(int64_t rows) { return {Source::reference, rows, 0, rows, {}, {}}; }
RowRange live_of(int64_t rows) { return {Source::d_real, rows, 0, rows, {}, {}}; }

// gan-systems 33: reference {0, 2}, x = 6: mean 2.666667, variance 6.222222.
TEST(VirtualBatchNorm, MeetsItsClosedForm) {
  VirtualBatchNorm layer(1);
  layer.to(at::kDouble);
  at::NoGradGuard no_graph;
  layer.parameters()[0].fill_(1), layer.parameters()[1].fill_(0);
  const auto y = layer.forward(at::tensor({6., 0., 2.}, at::kDouble).view({3, 1}), pass_of({live_of(1), reference_of(2)}));
  EXPECT_NEAR(y[0][0].item<double>(), (6 - 2.6666667) / std::sqrt(6.2222222 + 1e-5), 1e-7);
  EXPECT_NEAR(y[0][0].item<double>(), 1.336305, 2e-6);  // without the 1e-5
  EXPECT_NEAR(y[1][0].item<double>(), -1 / std::sqrt(1 + 1e-5), 1e-12);
  EXPECT_NEAR(y[2][0].item<double>(), 1 / std::sqrt(1 + 1e-5), 1e-12);
}

TEST(VirtualBatchNorm, NormalizesByTheReferenceAndTheSampleAsOneBatch) {
  at::manual_seed(7);
  VirtualBatchNorm layer(3);
  fill(layer, 3);
  const auto x = at::randn({2, 3, 4, 5}, at::kDouble) + 2, reference = at::randn({5, 3, 4, 5}, at::kDouble) - 1;
  const auto y = layer.forward(at::cat({x, reference}), pass_of({live_of(2), reference_of(5)}));
  const auto expected = at::batch_norm(at::cat({x.slice(0, 1, 2), reference}), layer.parameters()[0], layer.parameters()[1], {}, {}, true, 0, 1e-5, false);
  EXPECT_TRUE(at::allclose(y[1], expected[0], 1e-11, 1e-11));
}

TEST(VirtualBatchNorm, EqualsItsFiniteDifferences) {
  at::manual_seed(8);
  for (const bool is_flat : {true, false}) {
    VirtualBatchNorm layer(3);
    fill(layer, 4);
    const auto x = is_flat ? at::randn({7, 3}, at::kDouble) : at::randn({7, 3, 2, 4}, at::kDouble);
    expect_finite_differences(layer, x, pass_of({live_of(4), reference_of(3)}), 1e-6);
  }
}

TEST(VirtualBatchNorm, WithoutAReferenceIsABug) {
  VirtualBatchNorm layer(2);
  EXPECT_THROW(layer.forward(at::randn({3, 2}), {}), Error);
  EXPECT_THROW(layer.forward(at::randn({3, 2}), pass_of({live_of(3)})), Error);
  layer.eval();
  EXPECT_THROW(layer.forward(at::randn({3, 2}), {}), Error);
}

std::shared_ptr<Network> network_with_reference() {
  auto net = std::make_shared<Network>("discriminator");
  net->add<Conv2d>(ConvShape{1, 4, 4, 2, 1}).add<VirtualBatchNorm>(4).add<LeakyReLU>(0.2);
  net->add<Conv2d>(ConvShape{4, 4, 4, 2, 1}).add<VirtualBatchNorm>(4).add<LeakyReLU>(0.2);
  net->add<Reshape>(std::vector<int64_t>{16}).add<Linear>(16, 1, Linear::Start::dcgan).add<Reshape>(std::vector<int64_t>{});
  net->reserve_reference({5, 1, 8, 8});
  net->to(at::kDouble);
  at::NoGradGuard no_graph;
  const Rng rng(5);
  int64_t place = 0;
  for (auto& p : net->parameters()) p.copy_(rng.normal(Draw{Purpose::init}, place++, 1, p.numel()).view(p.sizes()).mul(0.4).add(0.1));
  return net;
}

TEST(Reference, ASampleIsTheSameAloneAndInAnyBatch) {
  at::manual_seed(9);
  const auto net = network_with_reference();
  net->set_reference(at::randn({5, 1, 8, 8}, at::kDouble));
  const auto x = at::randn({6, 1, 8, 8}, at::kDouble), kept = x.clone();
  const auto all = net->forward(x);
  EXPECT_EQ(all.sizes(), (at::IntArrayRef{6}));
  EXPECT_TRUE(at::equal(x, kept));
  for (int64_t i = 0; i < 6; ++i) EXPECT_NEAR(net->forward(x.slice(0, i, i + 1))[0].item<double>(), all[i].item<double>(), 1e-13);
  EXPECT_NEAR(net->forward(at::stack({x[4], 3 * x[0], x[2]}))[0].item<double>(), all[4].item<double>(), 1e-13);
  net->eval();
  EXPECT_TRUE(at::equal(net->forward(x), all));
}

TEST(Reference, IsSavedAndAsked) {
  const auto net = network_with_reference();
  EXPECT_TRUE(net->needs_reference());
  EXPECT_FALSE(net->has_reference());
  EXPECT_THROW(net->forward(at::randn({2, 1, 8, 8}, at::kDouble)), Error);
  EXPECT_THROW(net->set_reference(at::randn({4, 1, 8, 8})), Error);
  const auto rows = at::randn({5, 1, 8, 8}, at::kDouble);
  net->set_reference(rows);
  const auto buffers = net->named_buffers();
  EXPECT_TRUE(at::equal(buffers["reference"], rows));
  EXPECT_EQ(buffers["has_reference"].item<int64_t>(), 1);
  Network plain("generator");
  EXPECT_FALSE(plain.needs_reference());
  EXPECT_THROW(plain.set_reference(rows), Error);
}

TEST(Reference, CapturesOfLiveRowsAreNotOverwritten) {
  at::manual_seed(10);
  const auto net = network_with_reference();
  net->set_reference(at::randn({5, 1, 8, 8}, at::kDouble));
  const auto x = at::randn({3, 1, 8, 8}, at::kDouble);
  const auto plain = net->forward(x);
  for (int64_t layer = 0; layer < static_cast<int64_t>(net->size()); ++layer) {
    at::Tensor captured;
    Pass pass;
    pass.capture_layer = layer, pass.captured = &captured;
    EXPECT_TRUE(at::allclose(net->forward(x, pass), plain, 1e-12, 1e-12)) << layer;
    ASSERT_EQ(captured.size(0), 3) << layer;
    if (layer == 4) {  // what the second normalization makes of it has both signs
      EXPECT_LT(captured.min().item<double>(), 0.0);
      pass.capture_layer = 5;
      const auto before = captured;
      at::Tensor activated;
      pass.captured = &activated;
      net->forward(x, pass);
      EXPECT_TRUE(at::allclose(activated, at::leaky_relu(before, 0.2), 1e-12, 1e-12)) << "overwritten";
    }
  }
}

// Uneven ranks, no collective: the gradient of the weights is the sum over ranks, through the reference as well.
TEST(Reference, RanksAddUpToOneProcess) {
  at::manual_seed(11);
  const auto reference = at::randn({5, 1, 8, 8}, at::kDouble), x = at::randn({7, 1, 8, 8}, at::kDouble);
  const auto slopes = [&](const at::Tensor& rows, const Pass& pass) {
    const auto net = network_with_reference();
    net->set_reference(reference);
    const auto at_x = rows.clone().requires_grad_(true);
    const auto y = net->forward(at_x, pass);
    const auto dx = torch::autograd::grad({y.sum()}, {at_x}, {}, std::nullopt, /*create_graph=*/true)[0];
    const auto loss = y.sin().sum() + (dx.square().sum({1, 2, 3}).sqrt() - 1).square().sum();  // a penalty on the slope as well
    return torch::autograd::grad({loss}, net->parameters(), {}, std::nullopt, false, /*allow_unused=*/true);
  };
  const auto expected = slopes(x, {});
  for (const Starts& starts : {Starts{0, 3, 7}, {0, 1, 4, 7}, {0, 2, 2, 5, 7}}) {
    std::vector<at::Tensor> sum;
    for (int r = 0; r + 1 < static_cast<int>(starts.size()); ++r) {
      const auto part = slopes(slice_of(x, starts, r), pass_of({range_of(starts, r)}));
      for (size_t i = 0; i < part.size(); ++i) {
        if (r == 0) sum.push_back(at::zeros_like(expected[i]));
        if (part[i].defined()) sum[i] += part[i];
      }
    }
    for (size_t i = 0; i < sum.size(); ++i) expect_near(sum[i], expected[i], fmt::format("parameter {}", i));
  }
}

}  // namespace
}  // namespace ganymede::nets
