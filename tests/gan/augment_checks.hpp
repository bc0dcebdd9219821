// What the tests of both augmentations share.
#pragma once
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <string>

namespace ganymede::gan {

/// First and second derivatives of f along random directions against central differences, in float64.
inline void expect_derivatives(const at::Tensor& at_x, const std::function<at::Tensor(const at::Tensor&)>& f, const std::string& what) {
  const auto weight = at::randn(f(at_x).sizes(), at::kDouble), direction = at::randn(at_x.sizes(), at::kDouble);
  const auto slope = [&](const at::Tensor& from, bool graph) {  // of Σ w·y³, whose second derivative is none of zero
    const auto x = from.detach().clone().requires_grad_(true);
    const auto y = f(x);
    return std::pair{x, torch::autograd::grad({(y * y * y * weight).sum()}, {x}, {}, true, graph)[0]};
  };
  const auto value = [&](const at::Tensor& x) {
    const auto y = f(x);
    return (y * y * y * weight).sum().item<double>();
  };
  const double h = 1e-5;
  const auto [x, first] = slope(at_x, true);
  const double numeric = (value(at_x + h * direction) - value(at_x - h * direction)) / (2 * h);
  const double exact = (first * direction).sum().item<double>();
  EXPECT_NEAR(exact, numeric, 1e-6 * (1 + std::abs(numeric))) << what;
  const auto second = torch::autograd::grad({(first * direction).sum()}, {x})[0];
  const auto numeric_second = (slope(at_x + h * direction, false).second - slope(at_x - h * direction, false).second) / (2 * h);
  EXPECT_LE(((second - numeric_second).abs() / (1 + numeric_second.abs())).max().item<double>(), 1e-6) << what;
}

}  // namespace ganymede::gan
