#include "bench/kernel_share.hpp"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <gmock/gmock.h>

namespace ganymede::bench {
namespace {

int64_t count_of(const std::vector<KernelCalls>& calls, const std::string& kind) {
  for (const auto& sum : by_kind(calls))
    if (sum.kind == kind) return sum.count;
  return 0;
}

}  // namespace

TEST(Kernels, OfForwardAndBackwardAreCountedByForm) {
  const auto x = at::randn({2, 3, 8, 8}), w = at::randn({4, 3, 3, 3}).requires_grad_(), v = at::randn({5, 4}).requires_grad_();
  int runs = 0;
  const auto calls = time_kernels([&] {
    ++runs;
    for (int i = 0; i < 2; ++i) {
      const auto pooled = at::conv2d(x, w).mean({2, 3});
      at::linear(pooled, v).sum().backward();
    }
    at::relu(x);
  });
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(count_of(calls, "convolution"), 2);
  EXPECT_EQ(count_of(calls, "convolution backward"), 2);
  EXPECT_EQ(count_of(calls, "matrix product"), 2 + 2 * 2) << "forward, and backward for input and weight";
  for (const auto& call : calls) {
    EXPECT_EQ(call.count % 2, 0) << call.name << ' ' << call.inputs << ": both rounds have the same forms";
    EXPECT_GT(call.alone_ms, 0);
    EXPECT_GT(call.in_step_ms, 0);
  }
}

TEST(Kernels, UnderAutocastOnlyTheInnermostCounts) {
  const auto x = at::randn({2, 3, 8, 8}), w = at::randn({4, 3, 3, 3});
  const auto calls = time_kernels([&] {
    at::autocast::set_autocast_enabled(at::kCPU, true);
    at::conv2d(x, w);
    at::autocast::set_autocast_enabled(at::kCPU, false);
    at::autocast::clear_cache();
  });
  EXPECT_EQ(count_of(calls, "convolution"), 1);
}

TEST(Kernels, NothingIsRecordedOutside) {
  const auto a = at::randn({4, 4});
  at::mm(a, a);
  EXPECT_TRUE(time_kernels([] {}).empty());
}

}  // namespace ganymede::bench
