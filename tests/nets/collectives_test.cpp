#include "nets/collectives.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/error.hpp"
#include "nets/thread_statistics.hpp"

namespace ganymede::nets {
namespace {

using Starts = std::vector<int64_t>;

double apart(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

at::Tensor gradient(const at::Tensor& loss, const at::Tensor& of, bool create_graph = false) {
  return torch::autograd::grad({loss}, {of}, {}, std::nullopt, create_graph)[0];
}

// gan-systems 0.4: L = ‖gmean(W·x) − c‖² enters every rank's loss divided by R.
TEST(Collectives, TheMeanOfTheBatchHasTheGradientOfOneProcess) {
  at::manual_seed(1);
  const auto c = at::randn({3}, at::kDouble), weight = at::randn({3, 5}, at::kDouble);
  for (const Starts& starts : {Starts{0, 2, 4}, {0, 4, 6}, {0, 3, 3, 4, 9}}) {
    const int ranks = static_cast<int>(starts.size()) - 1;
    const auto x = at::randn({starts.back(), 5}, at::kDouble);
    const auto loss = [&](const at::Tensor& w, const at::Tensor& rows, BatchStatistics* statistics) {
      return (gmean(at::matmul(rows, w.t()).sum(0), starts.back(), statistics, "means") - c).square().sum();
    };
    const auto w = weight.clone().requires_grad_(true);
    const auto expected = gradient(loss(w, x, nullptr), w);
    std::vector<at::Tensor> parts(ranks), whole(ranks);
    on_ranks(ranks, [&](int r, BatchStatistics& statistics) {
      const auto own = weight.clone().requires_grad_(true);
      parts[r] = gradient(loss(own, slice_of(x, starts, r), &statistics) / ranks, own);
      whole[r] = gradient(loss(own, slice_of(x, starts, r), &statistics), own);
    });
    EXPECT_LE(apart(at::stack(parts).sum(0), expected), 1e-12) << ranks;
    EXPECT_LE(apart(at::stack(whole).sum(0), ranks * expected), 1e-12) << ranks << ": without 1/R, R times too large";
  }
}

TEST(Collectives, TheMeanIsNotThatOfTheRanksMeans) {
  const auto x = at::arange(1, 7, at::kDouble);
  on_ranks(2, [&](int r, BatchStatistics& statistics) {
    EXPECT_EQ(gmean(slice_of(x, {0, 4, 6}, r).sum(), 6, &statistics, "mean").item<double>(), 3.5);
  });
}

TEST(Collectives, GatheredRowsAreInOrder) {
  const auto x = at::arange(24, at::kDouble).view({8, 3});
  for (const Starts& starts : {Starts{0, 8}, {0, 3, 8}, {0, 5, 5, 8}, {0, 1, 2, 7, 8}}) {
    on_ranks(static_cast<int>(starts.size()) - 1, [&](int r, BatchStatistics& statistics) {
      EXPECT_TRUE(at::equal(ggather(slice_of(x, starts, r), starts, &statistics, "rows"), x));
    });
  }
}

// A penalty on the slopes of a loss that couples all rows in both ways, as WGAN-GP and unrolled GANs differentiate it.
TEST(Collectives, SecondDerivativesEqualThoseOfOneProcess) {
  at::manual_seed(2);
  const auto weight = at::randn({4, 4}, at::kDouble);
  for (const Starts& starts : {Starts{0, 2, 4}, {0, 4, 6}, {0, 1, 4, 9}, {0, 3, 3, 4, 9}}) {
    const int ranks = static_cast<int>(starts.size()) - 1;
    const auto x = at::randn({starts.back(), 4}, at::kDouble);
    // What the rows of one rank add to Σ_i |∂ΣL/∂x_i|², and its slope: by the weight, by the rows.
    const auto slopes = [&](const at::Tensor& rows, BatchStatistics* statistics) {
      const auto own = rows.clone().requires_grad_(true), w = weight.clone().requires_grad_(true);
      const auto y = at::tanh(at::matmul(own, w));
      const auto all = ggather(y, starts, statistics, "rows");
      const auto distances = (y.unsqueeze(1) - all.unsqueeze(0)).square().sum(2);
      const auto energy = gsum(y.square().sum(0), statistics, "energy");
      const auto loss = (at::exp(-distances).sum(1) * y.sum(1)).sum() + (y * energy.sin()).sum();
      const auto dx = gradient(loss, own, true);
      return torch::autograd::grad({dx.square().sum()}, {w, own});
    };
    const auto expected = slopes(x, nullptr);
    std::vector<at::Tensor> by_weight(ranks), by_rows(ranks);
    on_ranks(ranks, [&](int r, BatchStatistics& statistics) {
      const auto found = slopes(slice_of(x, starts, r), &statistics);
      by_weight[r] = found[0], by_rows[r] = found[1];
    });
    EXPECT_LE(apart(at::stack(by_weight).sum(0), expected[0]), 1e-9) << ranks;
    EXPECT_LE(apart(at::cat(by_rows), expected[1]), 1e-9) << ranks;
  }
}

TEST(Collectives, OneProcessAddsNothing) {
  const auto x = at::randn({3, 2}).requires_grad_(true);
  EXPECT_TRUE(gsum(x, nullptr, "x").is_same(x));
  EXPECT_TRUE(ggather(x, {}, nullptr, "x").is_same(x));
}

TEST(Collectives, RowsThatDoNotFitAreABug) {
  on_ranks(1, [](int, BatchStatistics& statistics) {
    EXPECT_THROW(ggather(at::zeros({3, 1}), {0, 2}, &statistics, "rows"), Error);
    EXPECT_THROW(ggather(at::zeros({3, 1}), {}, &statistics, "rows"), Error);
  });
  EXPECT_THROW(across_ranks(range_of({0, 2, 4}, 0), nullptr), Error);
  EXPECT_EQ(across_ranks(range_of({0, 2}, 0), nullptr), nullptr);
}

}  // namespace
}  // namespace ganymede::nets
