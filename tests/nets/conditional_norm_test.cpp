#include "nets/conditional_norm.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "comm/thread_ranks.hpp"
#include "core/error.hpp"
#include "parallel/reducer.hpp"

namespace ganymede::nets {
namespace {

constexpr int64_t channels = 4, classes = 3;

struct Result {
  at::Tensor y, dx, d_weight, d_bias, running_mean, running_var;
};

Result run(const at::Tensor& x, const at::Tensor& dy, const at::Tensor& labels, BatchStatistics* statistics) {
  ConditionalBatchNorm norm(channels, classes);
  norm.to(at::kDouble);
  {
    at::NoGradGuard no_graph;
    norm.parameters()[0].copy_(at::linspace(0.5, 1.5, classes * channels).view({classes, channels}));
    norm.parameters()[1].copy_(at::linspace(-1, 1, classes * channels).view({classes, channels}));
  }
  norm.share_statistics(statistics);
  nets::Pass pass;
  pass.labels = labels;
  const auto input = x.detach().clone().requires_grad_(true);
  const auto y = norm.forward(input, pass);
  y.backward(dy);
  return {y.detach(), input.grad(), norm.parameters()[0].grad(), norm.parameters()[1].grad(), norm.buffers()[0], norm.buffers()[1]};
}

// Statistics over all classes; ranks with uneven shares, one without class 0, give what one rank gives.
TEST(ConditionalBatchNorm, EqualsTheJoinedBatch) {
  at::manual_seed(3);
  const auto x = at::randn({10, channels, 5, 3}, at::kDouble) * 3 + 7, dy = at::randn_like(x);
  const auto labels = at::tensor({0, 0, 1, 2, 1, 1, 0, 2, 2, 1}, at::kLong);
  const Result whole = run(x, dy, labels, nullptr);
  const auto plain = at::batch_norm(x, {}, {}, {}, {}, true, 0.1, batch_norm_epsilon, false);
  const auto gamma = at::linspace(0.5, 1.5, classes * channels).to(at::kDouble).view({classes, channels}), beta = at::linspace(-1, 1, classes * channels).to(at::kDouble).view({classes, channels});
  const auto expected = plain * gamma.index_select(0, labels).view({10, channels, 1, 1}) + beta.index_select(0, labels).view({10, channels, 1, 1});
  EXPECT_TRUE(at::allclose(whole.y, expected, 1e-6, 1e-6));  // linspace is float32
  const std::vector<int64_t> cuts{0, 3, 4, 10};
  std::vector<Result> parts(3);
  comm::run_thread_ranks(3, [&](comm::Communicator& communicator) {
    parallel::WaitTimes waits;
    parallel::GlobalStatistics statistics(communicator, 20.0, waits);
    const auto from = cuts[communicator.rank()], to = cuts[communicator.rank() + 1];
    parts[communicator.rank()] = run(x.slice(0, from, to), dy.slice(0, from, to), labels.slice(0, from, to), &statistics);
  });
  std::vector<at::Tensor> y, dx;
  auto d_weight = at::zeros_like(whole.d_weight), d_bias = at::zeros_like(whole.d_bias);
  for (const auto& part : parts) {
    y.push_back(part.y), dx.push_back(part.dx), d_weight += part.d_weight, d_bias += part.d_bias;
    EXPECT_TRUE(at::allclose(part.running_mean, whole.running_mean, 1e-12, 1e-12));
    EXPECT_TRUE(at::allclose(part.running_var, whole.running_var, 1e-12, 1e-12));
  }
  EXPECT_TRUE(at::allclose(at::cat(y), whole.y, 1e-11, 1e-11));
  EXPECT_TRUE(at::allclose(at::cat(dx), whole.dx, 1e-11, 1e-11));
  EXPECT_TRUE(at::allclose(d_weight, whole.d_weight, 1e-11, 1e-11));
  EXPECT_TRUE(at::allclose(d_bias, whole.d_bias, 1e-11, 1e-11));
}

// An absent class still has a gradient, of zeros, to be reduced.
TEST(ConditionalBatchNorm, GivesAbsentClassesZeros) {
  const auto x = at::randn({4, channels}, at::kDouble);
  const auto r = run(x, at::randn_like(x), at::tensor({2, 0, 2, 0}, at::kLong), nullptr);
  ASSERT_TRUE(r.d_weight.defined());
  EXPECT_EQ(r.d_weight[1].abs().max().item<double>(), 0.0);
  EXPECT_GT(r.d_weight[2].abs().max().item<double>(), 0.0);
}

TEST(ConditionalBatchNorm, NeedsAClassForEverySample) {
  ConditionalBatchNorm norm(channels, classes);
  EXPECT_THROW(norm.forward(at::randn({4, channels}), {}), Error);
}

}  // namespace
}  // namespace ganymede::nets
