#include "nets/batch_norm.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <torch/csrc/autograd/autograd.h>

#include "comm/solo.hpp"
#include "comm/thread_ranks.hpp"
#include "core/log.hpp"
#include "nets/collectives.hpp"
#include "nets/network.hpp"
#include "nets/thread_statistics.hpp"
#include "parallel/reducer.hpp"

namespace ganymede::nets {
namespace {

struct Outcome {
  at::Tensor y, dx, d_weight, d_bias, running_mean, running_var;
};

Outcome pass(const at::Tensor& x, const at::Tensor& dy, BatchStatistics* statistics) {
  BatchNorm norm(x.size(1));
  norm.to(at::kDouble);
  {
    at::NoGradGuard no_graph;
    norm.parameters()[0].copy_(at::linspace(0.5, 1.5, x.size(1)));
    norm.parameters()[1].copy_(at::linspace(-1, 1, x.size(1)));
  }
  norm.share_statistics(statistics);
  const auto input = x.detach().clone().requires_grad_(true);
  const auto y = norm.forward(input, {});
  y.backward(dy);
  return {y.detach(), input.grad(), norm.parameters()[0].grad(), norm.parameters()[1].grad(), norm.buffers()[0], norm.buffers()[1]};
}

// Ranks with uneven shares give what one rank gives on the joined batch; the weights' gradients add up to its.
TEST(GlobalBatchNorm, EqualsTheJoinedBatch) {
  at::manual_seed(3);
  const auto x = at::randn({10, 4, 5, 3}, at::kDouble) * 3 + 100;  // a mean far from 0 shows bad variance formulas
  const auto dy = at::randn_like(x);
  const Outcome whole = pass(x, dy, nullptr);
  for (const std::vector<int64_t>& cuts : {std::vector<int64_t>{10}, {4, 10}, {1, 7, 10}, {3, 4, 5, 10}}) {
    std::vector<Outcome> parts(cuts.size());
    comm::run_thread_ranks(static_cast<int>(cuts.size()), [&](comm::Communicator& communicator) {
      parallel::WaitTimes waits;
      parallel::GlobalStatistics statistics(communicator, 20.0, waits);
      const int64_t r = communicator.rank(), from = r ? cuts[r - 1] : 0;
      parts[r] = pass(x.slice(0, from, cuts[r]), dy.slice(0, from, cuts[r]), &statistics);
    });
    std::vector<at::Tensor> y, dx;
    auto d_weight = at::zeros_like(whole.d_weight), d_bias = at::zeros_like(whole.d_bias);
    for (const auto& part : parts) {
      y.push_back(part.y), dx.push_back(part.dx);
      d_weight += part.d_weight, d_bias += part.d_bias;
      EXPECT_TRUE(at::allclose(part.running_mean, whole.running_mean, 1e-12, 1e-12));
      EXPECT_TRUE(at::allclose(part.running_var, whole.running_var, 1e-12, 1e-12));
    }
    EXPECT_TRUE(at::allclose(at::cat(y), whole.y, 1e-11, 1e-11)) << cuts.size();
    EXPECT_TRUE(at::allclose(at::cat(dx), whole.dx, 1e-11, 1e-11)) << cuts.size();
    EXPECT_TRUE(at::allclose(d_weight, whole.d_weight, 1e-11, 1e-11));
    EXPECT_TRUE(at::allclose(d_bias, whole.d_bias, 1e-11, 1e-11));
  }
}

// gan-systems 0.8: values (0,2 | 4,6): mean 3, variance 5, first output −1.341639; local statistics would give −1.
TEST(GlobalBatchNorm, MeetsItsClosedForm) {
  comm::run_thread_ranks(2, [](comm::Communicator& communicator) {
    parallel::WaitTimes waits;
    parallel::GlobalStatistics statistics(communicator, 20.0, waits);
    BatchNorm norm(1);
    norm.to(at::kDouble);
    at::NoGradGuard no_graph;
    norm.parameters()[0].fill_(1.0), norm.parameters()[1].fill_(0.0);
    norm.share_statistics(&statistics);
    const double base = communicator.rank() == 0 ? 0.0 : 4.0;
    const auto y = norm.forward(at::tensor({base, base + 2}, at::kDouble).view({2, 1}), {});
    if (communicator.rank() == 0) { EXPECT_NEAR(y[0][0].item<double>(), -1.341639, 1e-6); }
    EXPECT_NEAR(norm.buffers()[1].item<double>(), 0.9 + 0.1 * 20.0 / 3.0, 1e-12);  // unbiased by the global n
  });
}

// A share of .05, as PacGAN's program has it: mean 3, variance 5 of four values.
TEST(BatchNorm, RunningStatisticsTakeTheirShareOfABatch) {
  BatchNorm norm(1, 0.05);
  norm.to(at::kDouble);
  at::NoGradGuard no_graph;
  norm.parameters()[0].fill_(1.0), norm.parameters()[1].fill_(0.0);
  norm.forward(at::tensor({0.0, 2.0, 4.0, 6.0}, at::kDouble).view({4, 1}), {});
  EXPECT_NEAR(norm.buffers()[0].item<double>(), 0.05 * 3, 1e-12);
  EXPECT_NEAR(norm.buffers()[1].item<double>(), 0.95 + 0.05 * 20.0 / 3.0, 1e-12);
}

// Two convolutions with batch norm and activation between.
std::shared_ptr<Network> small_network() {
  auto net = std::make_shared<Network>("discriminator");
  net->add<Conv2d>(ConvShape{1, 3, 4, 2, 1}).add<BatchNorm>(3).add<LeakyReLU>(0.2).add<Conv2d>(ConvShape{3, 2, 4, 2, 1, true});
  net->to(at::kDouble);
  at::NoGradGuard no_graph;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(17);
  for (auto& p : net->parameters()) p.normal_(0.3, 0.5, generator);
  return net;
}

// Derivatives by weights and rows of: the rows' squared slopes, and the squares of the global gradient of the weights, which is a
// number of the whole batch and so counts by 1/R.
std::vector<at::Tensor> second_derivatives(Network& net, const at::Tensor& rows, int ranks, BatchStatistics* statistics) {
  const auto x = rows.clone().requires_grad_(true);
  std::vector<at::Tensor> inputs = net.parameters();
  inputs.push_back(x);
  const auto y = net.forward(x);
  const auto first = torch::autograd::grad({(y.square().sum() + y.sin().sum())}, inputs, {}, std::nullopt, /*create_graph=*/true);
  auto value = first.back().square().sum();
  for (size_t i = 0; i + 1 < first.size(); ++i) value = value + gsum(first[i], statistics, "gradient").square().sum() / ranks;
  return torch::autograd::grad({value}, inputs);
}

TEST(GlobalBatchNorm, SecondDerivativesEqualThoseOfOneProcess) {
  at::manual_seed(5);
  for (const std::vector<int64_t>& starts : {std::vector<int64_t>{0, 3, 6}, {0, 4, 6}, {0, 1, 3, 7}, {0, 3, 3, 6}}) {
    const int ranks = static_cast<int>(starts.size()) - 1;
    const auto x = at::randn({starts.back(), 1, 8, 8}, at::kDouble) + 3;
    const auto expected = second_derivatives(*small_network(), x, 1, nullptr);
    std::vector<std::vector<at::Tensor>> found(ranks);
    on_ranks(ranks, [&](int r, BatchStatistics& statistics) {
      const auto net = small_network();
      net->share_statistics(&statistics);
      found[r] = second_derivatives(*net, slice_of(x, starts, r), ranks, &statistics);
    });
    for (size_t i = 0; i < expected.size(); ++i) {
      std::vector<at::Tensor> parts;
      for (const auto& of_rank : found) parts.push_back(of_rank[i]);
      const auto joined = i + 1 == expected.size() ? at::cat(parts) : at::stack(parts).sum(0);
      const double largest = expected[i].abs().max().item<double>();
      EXPECT_LE((joined - expected[i]).abs().max().item<double>(), 1e-9 * (1 + largest)) << ranks << " ranks, input " << i;
    }
  }
}

TEST(BatchNorm, SecondDerivativesEqualFiniteDifferences) {
  at::manual_seed(6);
  const auto x = at::randn({4, 1, 8, 8}, at::kDouble) + 3;
  auto net = small_network();
  const auto value = [&](bool with_graph) {
    const auto at_x = x.clone().requires_grad_(true);
    return torch::autograd::grad({net->forward(at_x).square().sum()}, {at_x}, {}, std::nullopt, with_graph)[0].square().sum();
  };
  for (auto& p : net->parameters()) {
    const auto slope = torch::autograd::grad({value(true)}, {p})[0], direction = at::randn_like(p);
    const auto moved = [&](double h) {
      at::NoGradGuard no_graph;
      p.add_(direction, h);
    };
    moved(1e-6);
    const double after = value(false).item<double>();
    moved(-2e-6);
    const double before = value(false).item<double>();
    moved(1e-6);
    const double numeric = (after - before) / 2e-6;
    EXPECT_NEAR((slope * direction).sum().item<double>(), numeric, 1e-5 * (1 + std::abs(numeric))) << p.sizes();
  }
}

TEST(BatchNorm, EvaluationLeavesItsBuffersAlone) {
  BatchNorm norm(2);
  at::NoGradGuard no_graph;
  norm.parameters()[0].fill_(1.0), norm.parameters()[1].fill_(0.0);
  norm.eval();
  norm.forward(at::randn({4, 2}) + 5, {});
  EXPECT_EQ(norm.buffers()[0].abs().max().item<float>(), 0.0f);
}

}  // namespace
}  // namespace ganymede::nets
