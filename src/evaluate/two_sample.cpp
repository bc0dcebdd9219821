#include "evaluate/two_sample.hpp"

#include <ATen/ops/exp.h>
#include <ATen/ops/matmul.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/error.hpp"
#include "evaluate/pairwise.hpp"

namespace ganymede::evaluate {
namespace {

double total(const at::Tensor& x) { return x.sum(at::kDouble).item<double>(); }
double mean_of(const at::Tensor& x) { return total(x) / static_cast<double>(x.numel()); }

double mean_off_diagonal(const at::Tensor& k) {
  const auto n = static_cast<double>(k.size(0));
  return (total(k) - total(k.diagonal())) / (n * (n - 1.0));
}

// w of each row: its mean kernel with the second half of the reals, minus that with the second half of the fakes.
at::Tensor witness(const at::Tensor& with_r2, const at::Tensor& with_y2) {
  return with_r2.mean(1, false, at::kDouble) - with_y2.mean(1, false, at::kDouble);
}

at::Tensor cube_of_products(const at::Tensor& a, const at::Tensor& b) {
  return (at::matmul(a, b.t()) / static_cast<double>(a.size(1)) + 1.0).pow(3);
}

// Above the diagonal; in the matrix's own type, for this is a good part of a check's time.
template <typename T>
double median_of_pairs(const at::Tensor& squared) {
  const int64_t n = squared.size(0);
  if (n < 2) throw Error(Fault::bug, "a kernel's bandwidth is taken from the pairs of {} samples", n);
  std::vector<T> values;
  values.reserve(static_cast<size_t>(n * (n - 1) / 2));
  for (int64_t i = 0; i < n; ++i) {
    const T* const row = squared.const_data_ptr<T>() + i * n;
    values.insert(values.end(), row + i + 1, row + n);
  }
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  const double above = *middle;
  const double median = values.size() % 2 == 1 ? above : 0.5 * (above + *std::max_element(values.begin(), middle));
  const double average = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  // Equal points lie apart by rounding alone, by how much depends on the processor's products.
  if (median > 64 * std::numeric_limits<T>::epsilon() * average) return median;
  return average > 0 ? average : 1.0;
}

}  // namespace

KernelMatrices squared_distance_matrices(const at::Tensor& r, const at::Tensor& y) {
  return {squared_distances(r, r), squared_distances(y, y), squared_distances(r, y)};
}

KernelMatrices gaussian_kernels(const KernelMatrices& squared, double bandwidth_squared) {
  const double factor = -0.5 / bandwidth_squared;
  return {(squared.rr * factor).exp_(), (squared.yy * factor).exp_(), (squared.ry * factor).exp_()};
}

KernelMatrices polynomial_kernels(const at::Tensor& r, const at::Tensor& y) {
  return {cube_of_products(r, r), cube_of_products(y, y), cube_of_products(r, y)};
}

double median_bandwidth_squared(const at::Tensor& squared) {
  const auto rows = squared.cpu().contiguous();
  return rows.scalar_type() == at::kFloat ? median_of_pairs<float>(rows) : median_of_pairs<double>(rows.to(at::kDouble));
}

double unbiased_mmd2(const KernelMatrices& k) { return mean_off_diagonal(k.rr) + mean_off_diagonal(k.yy) - 2.0 * mean_of(k.ry); }

double lost_mode_effect(const KernelMatrices& k) {
  const double of_itself = mean_of(k.rr.diagonal()), room = of_itself - mean_off_diagonal(k.rr);
  return room > 1e-6 * std::abs(of_itself) ? unbiased_mmd2(k) / room : 0.0;
}

double cross_mmd(const at::Tensor& r1_r2, const at::Tensor& r1_y2, const at::Tensor& y1_r2, const at::Tensor& y1_y2) {
  const auto of_reals = witness(r1_r2, r1_y2), of_fakes = witness(y1_r2, y1_y2);
  const double difference = (of_reals.mean() - of_fakes.mean()).item<double>();
  const double variance = (of_reals.var(true) / of_reals.size(0) + of_fakes.var(true) / of_fakes.size(0)).item<double>();
  if (variance > 0) return difference / std::sqrt(variance);
  return difference == 0 ? 0.0 : std::copysign(std::numeric_limits<double>::infinity(), difference);
}

TwoSample two_sample(const KernelMatrices& k) {
  const auto n = k.rr.size(0), half = n / 2;
  if (n != k.yy.size(0) || n < 4 || n % 2 != 0)
    throw Error(Fault::bug, "the two-sample statistic needs equally many samples of an even number from 4 on, and got {} and {}", n,
                k.yy.size(0));
  const auto first = [&](const at::Tensor& matrix, int64_t axis) { return matrix.slice(axis, 0, half); };
  const auto second = [&](const at::Tensor& matrix, int64_t axis) { return matrix.slice(axis, half); };
  const auto yr = k.ry.t();
  return {unbiased_mmd2(k), lost_mode_effect(k),
          cross_mmd(second(first(k.rr, 0), 1), second(first(k.ry, 0), 1), second(first(yr, 0), 1), second(first(k.yy, 0), 1))};
}

TwoSample two_sample(const at::Tensor& r, const at::Tensor& y, Kernel kernel) {
  if (kernel == Kernel::polynomial) return two_sample(polynomial_kernels(r, y));
  const auto squared = squared_distance_matrices(r, y);
  return two_sample(gaussian_kernels(squared, median_bandwidth_squared(squared.rr)));
}

}  // namespace ganymede::evaluate
