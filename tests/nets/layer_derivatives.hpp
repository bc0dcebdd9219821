// For tests of layers in which samples meet: values, first and second derivatives, on any number of ranks what they are in one process,
// and against finite differences.
#pragma once
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "nets/network.hpp"
#include "nets/thread_statistics.hpp"

namespace ganymede::nets {

using Starts = std::vector<int64_t>;
using MakeLayer = std::function<std::shared_ptr<Layer>()>;

inline Pass pass_of(std::vector<RowRange> ranges) {
  Pass pass;
  pass.ranges = std::move(ranges);
  return pass;
}

inline void fill(Layer& layer, uint64_t seed) {
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

inline Derivatives derivatives(Layer& layer, const at::Tensor& rows, const Pass& pass) {
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

inline void expect_near(const at::Tensor& found, const at::Tensor& expected, const std::string& what) {
  ASSERT_EQ(found.sizes(), expected.sizes()) << what;
  EXPECT_LE((found - expected).abs().max().item<double>(), 1e-9 * (1 + expected.abs().max().item<double>())) << what;
}

inline void expect_equal_on_ranks(const MakeLayer& make, const at::Tensor& x, const Starts& starts) {
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

inline void expect_finite_differences(Layer& layer, const at::Tensor& rows, const Pass& pass, double tolerance) {
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

}  // namespace ganymede::nets
