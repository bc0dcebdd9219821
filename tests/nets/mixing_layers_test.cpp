// Layers in which samples meet: minibatch standard deviation, minibatch discrimination, virtual batch norm. Over any number of
// ranks each must be what it is in one process, its derivatives as well.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/error.hpp"
#include "nets/minibatch_discrimination.hpp"
#include "nets/minibatch_stddev.hpp"
#include "nets/network.hpp"
#include "nets/thread_statistics.hpp"
#include "nets/virtual_batch_norm.hpp"

namespace ganymede::nets {
namespace {

using Starts = std::vector<int64_t>;
using MakeLayer = std::function<std::shared_ptr<Layer>()>;

Pass pass_of(std::vector<RowRange> ranges) {
  Pass pass;
  pass.ranges = std::move(ranges);
  return pass;
}

void fill(Layer& layer, uint64_t seed) {
  at::NoGradGuard no_graph;
  layer.to(at::kDouble);
  const Rng rng(seed);
  int64_t place = 0;
  for (auto& p : layer.parameters()) p.copy_(rng.normal(Draw{Purpose::init}, place++, 1, p.numel()).view(p.sizes()).mul(0.5).add(0.3));
}

// Values, slopes by the rows, second slopes by rows and parameters, of a function that looks at every output.
struct Derivatives {
  at::Tensor y, dx, second_dx;
  std::vector<at::Tensor> of_parameters, second_of_parameters;
};

Derivatives derivatives(Layer& layer, const at::Tensor& rows, const Pass& pass) {
  const auto x = rows.clone().requires_grad_(true);
  std::vector<at::Tensor> inputs{x};
  for (const auto& p : layer.parameters()) inputs.push_back(p);
  const auto y = layer.forward(x, pass);
  const auto first = torch::autograd::grad({(y.square() + y.sin()).sum()}, inputs, {}, std::nullopt, /*create_graph=*/true);
  const auto second = torch::autograd::grad({first[0].square().sum()}, inputs);
  Derivatives d{y.detach(), first[0].detach(), second[0], {}, {}};
  for (size_t i = 1; i < inputs.size(); ++i) d.of_parameters.push_back(first[i].detach()), d.second_of_parameters.push_back(second[i]);
  return d;
}

void expect_near(const at::Tensor& found, const at::Tensor& expected, const std::string& what) {
  ASSERT_EQ(found.sizes(), expected.sizes()) << what;
  EXPECT_LE((found - expected).abs().max().item<double>(), 1e-9 * (1 + expected.abs().max().item<double>())) << what;
}

void expect_equal_on_ranks(const MakeLayer& make, const at::Tensor& x, const Starts& starts) {
  const int ranks = static_cast<int>(starts.size()) - 1;
  const auto name = fmt::format("{}, ranks from {}", make()->describe(), fmt::join(starts, ", "));
  const auto expected = derivatives(*make(), x, {});
  std::vector<Derivatives> found(ranks);
  on_ranks(ranks, [&](int r, BatchStatistics& statistics) {
    const auto layer = make();
    layer->share_statistics(&statistics);
    found[r] = derivatives(*layer, slice_of(x, starts, r), pass_of({range_of(starts, r)}));
  });
  const auto joined = [&](at::Tensor Derivatives::* part) {
    std::vector<at::Tensor> parts;
    for (const auto& d : found) parts.push_back(d.*part);
    return at::cat(parts);
  };
  const auto summed = [&](std::vector<at::Tensor> Derivatives::* part, size_t i) {
    auto sum = (found[0].*part)[i].clone();
    for (int r = 1; r < ranks; ++r) sum += (found[r].*part)[i];
    return sum;
  };
  expect_near(joined(&Derivatives::y), expected.y, name + ": values");
  expect_near(joined(&Derivatives::dx), expected.dx, name + ": slopes");
  expect_near(joined(&Derivatives::second_dx), expected.second_dx, name + ": second slopes");
  for (size_t i = 0; i < expected.of_parameters.size(); ++i) {
    expect_near(summed(&Derivatives::of_parameters, i), expected.of_parameters[i], name + ": slopes by a parameter");
    expect_near(summed(&Derivatives::second_of_parameters, i), expected.second_of_parameters[i], name + ": second slopes by a parameter");
  }
}

void expect_finite_differences(Layer& layer, const at::Tensor& rows, const Pass& pass, double tolerance) {
  at::manual_seed(12);
  const auto weights = at::randn(layer.forward(rows, pass).sizes(), at::kDouble);
  const auto value = [&](const at::Tensor& x) { return (layer.forward(x, pass) * weights).sum(); };
  const auto x = rows.clone().requires_grad_(true);
  std::vector<at::Tensor> inputs{x};
  for (const auto& p : layer.parameters()) inputs.push_back(p);
  const auto slopes = torch::autograd::grad({value(x)}, inputs);
  at::NoGradGuard no_graph;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto direction = at::randn_like(inputs[i]);
    inputs[i].add_(direction, 1e-6);
    const double after = value(x).item<double>();
    inputs[i].add_(direction, -2e-6);
    const double before = value(x).item<double>();
    inputs[i].add_(direction, 1e-6);
    const double numeric = (after - before) / 2e-6;
    EXPECT_NEAR((slopes[i] * direction).sum().item<double>(), numeric, tolerance * (1 + std::abs(numeric))) << layer.describe() << ", input " << i;
  }
}

const at::Tensor twelve = at::tensor({0., 0., 0., 0., 1., 2., 3., 4., 100., 200., 300., 400.}, at::kDouble).view({12, 1, 1, 1});

// gan-systems 18.
TEST(MinibatchStddev, MeetsItsClosedForm) {
  MinibatchStddev layer(4, 1);
  const auto y = layer.forward(twelve, {});
  EXPECT_EQ(y.sizes(), (at::IntArrayRef{12, 2, 1, 1}));
  EXPECT_TRUE(at::equal(y.narrow(1, 0, 1), twelve));
  const double expected[] = {1.000e-4, 1.118034, 111.803399};
  for (int64_t i = 0; i < 12; ++i) EXPECT_NEAR(y[i][1].item<double>(), expected[i / 4], 5e-7);
  const auto strided = layer.forward(twelve.view({4, 3}).t().reshape({12, 1, 1, 1}), {});  // groups of stride N/4
  EXPECT_NEAR(strided[0][1].item<double>(), 86.178, 5e-4);
  EXPECT_NEAR(strided[4][1].item<double>(), 129.191, 5e-4);
  EXPECT_NEAR(strided[8][1].item<double>(), 163.557, 5e-4);
}

TEST(MinibatchStddev, EqualSamplesHaveAFiniteSlope) {
  for (const int64_t group : {int64_t{1}, int64_t{4}}) {
    MinibatchStddev layer(group, 1);
    const auto x = at::full({8, 2, 3, 3}, 0.7, at::kDouble).requires_grad_(true);
    const auto y = layer.forward(x, {});
    EXPECT_NEAR(y[0][2][0][0].item<double>(), 1e-4, 1e-12);
    EXPECT_EQ(torch::autograd::grad({y.narrow(1, 2, 1).sum()}, {x})[0].abs().max().item<double>(), 0.0);
  }
}

TEST(MinibatchStddev, EachPartOfTheChannelsHasItsMap) {
  at::manual_seed(1);
  const auto x = at::randn({4, 6, 3, 2}, at::kDouble).contiguous(at::MemoryFormat::ChannelsLast);
  MinibatchStddev layer(4, 3), one(4, 1);
  const auto y = layer.forward(x, {});
  EXPECT_EQ(y.sizes(), (at::IntArrayRef{4, 9, 3, 2}));
  EXPECT_TRUE(y.is_contiguous(at::MemoryFormat::ChannelsLast));
  for (int64_t f = 0; f < 3; ++f) {
    const auto part = one.forward(x.narrow(1, 2 * f, 2), {}).narrow(1, 2, 1);
    EXPECT_TRUE(at::allclose(y.narrow(1, 6 + f, 1), part, 1e-12, 1e-12));
  }
  EXPECT_EQ(layer.forward(at::randn({8, 6}), {}).sizes(), (at::IntArrayRef{8, 9}));
}

TEST(MinibatchStddev, EqualsItsFiniteDifferences) {
  at::manual_seed(2);
  for (const int64_t group : {int64_t{1}, int64_t{4}}) {
    MinibatchStddev layer(group, 2);
    expect_finite_differences(layer, at::randn({8, 4, 3, 3}, at::kDouble), {}, 1e-5);
  }
}

TEST(MinibatchStddev, IsThatOfOneProcessWhereGroupsStraddle) {
  at::manual_seed(3);
  for (const Starts& starts : {Starts{0, 48}, {0, 24, 48}, {0, 16, 32, 48}, {0, 17, 34, 52}, {0, 12, 24, 36, 48}, {0, 13, 26, 39, 52}, {0, 1, 2, 3, 8},
                               {0, 5, 5, 12}})
    for (const int64_t group : {int64_t{1}, int64_t{4}, int64_t{64}}) {
      const auto make = [&] { return std::make_shared<MinibatchStddev>(group, 2); };
      expect_equal_on_ranks(make, at::randn({starts.back(), 4, 2, 3}, at::kDouble), starts);
    }
}

// Where all groups lie on one rank each nothing is sent: no collective is met by the statistics that throw.
TEST(MinibatchStddev, WholeGroupsNeedNoOtherRank) {
  struct Silent final : BatchStatistics {
    int rank() const override { return 1; }
    at::Tensor all_gather(const at::Tensor&, const char* what) override { throw Error(Fault::bug, "{}", what); }
    void all_reduce_sum(at::Tensor, const char* what) override { throw Error(Fault::bug, "{}", what); }
  } silent;
  MinibatchStddev layer(4, 1);
  layer.share_statistics(&silent);
  EXPECT_NO_THROW(layer.forward(at::randn({8, 1}), pass_of({range_of({0, 4, 12}, 1)})));
  EXPECT_THROW(layer.forward(at::randn({7, 1}), pass_of({range_of({0, 5, 12}, 1)})), Error);
}

TEST(MinibatchStddev, RangesAreJudgedApartAndTheReferenceAlone) {
  const Starts starts{0, 6, 12};
  const auto reals = at::randn({12, 2}, at::kDouble), fakes = at::randn({12, 2}, at::kDouble), reference = at::randn({6, 2}, at::kDouble);
  MinibatchStddev whole(4, 1), six(6, 1);
  const auto of_reals = whole.forward(reals, {}), of_fakes = whole.forward(fakes, {});
  on_ranks(2, [&](int r, BatchStatistics& statistics) {
    MinibatchStddev layer(4, 1);
    layer.share_statistics(&statistics);
    const RowRange reference_rows{Source::reference, 6, 0, 6, {}, {}};
    const auto y = layer.forward(at::cat({slice_of(reals, starts, r), slice_of(fakes, starts, r), reference}),
                                 pass_of({range_of(starts, r), range_of(starts, r, Source::d_fake), reference_rows}));
    EXPECT_TRUE(at::allclose(y.slice(0, 0, 6), slice_of(of_reals, starts, r), 1e-12, 1e-12));
    EXPECT_TRUE(at::allclose(y.slice(0, 6, 12), slice_of(of_fakes, starts, r), 1e-12, 1e-12));
    EXPECT_NEAR(y[12][2].item<double>(), MinibatchStddev(4, 1).forward(reference.slice(0, 0, 4), {})[0][2].item<double>(), 1e-12);
    EXPECT_NEAR(y[16][2].item<double>(), MinibatchStddev(2, 1).forward(reference.slice(0, 4, 6), {})[0][2].item<double>(), 1e-12);
  });
}

TEST(MinibatchStddev, WhatDoesNotDivideIsABug) {
  EXPECT_THROW(MinibatchStddev(4, 1).forward(at::zeros({6, 2}), {}), Error);
  EXPECT_THROW(MinibatchStddev(4, 3).forward(at::zeros({8, 4}), {}), Error);
}

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
