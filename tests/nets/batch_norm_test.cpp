#include "nets/batch_norm.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "comm/solo.hpp"
#include "comm/thread_ranks.hpp"
#include "core/log.hpp"
#include "parallel/reducer.hpp"

namespace ganymede::nets {
namespace {

struct Pass {
  at::Tensor y, dx, d_weight, d_bias, running_mean, running_var;
};

Pass pass(const at::Tensor& x, const at::Tensor& dy, BatchStatistics* statistics) {
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
  const Pass whole = pass(x, dy, nullptr);
  for (const std::vector<int64_t>& cuts : {std::vector<int64_t>{10}, {4, 10}, {1, 7, 10}, {3, 4, 5, 10}}) {
    std::vector<Pass> parts(cuts.size());
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
