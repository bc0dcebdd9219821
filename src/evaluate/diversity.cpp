#include "evaluate/diversity.hpp"

#include <ATen/ops/special_entr.h>

#include <cmath>

#include "evaluate/pairwise.hpp"

namespace ganymede::evaluate {

namespace {

// Squares of the deviations from the mean: the two terms of the definition would cancel where the mean is large.
at::Tensor squared_deviations(const at::Tensor& x) { return (x - x.mean(0)).square_(); }

}  // namespace

double spread(const at::Tensor& x) { return squared_deviations(x).sum(at::kDouble).item<double>() / static_cast<double>(x.size(0)); }

double duplicate_share(const at::Tensor& x, const at::Tensor& squared, double radius) {
  return (nearest_other(x, squared).distance < radius).to(at::kDouble).mean().item<double>();
}

double minibatch_deviation(const at::Tensor& x) {
  return (squared_deviations(x).mean(0, false, at::kDouble) + 1e-8).sqrt().mean().item<double>();
}

double effective_classes(const at::Tensor& probabilities) {
  return std::exp(at::special_entr(probabilities.to(at::kDouble).mean(0)).sum().item<double>());
}

}  // namespace ganymede::evaluate
