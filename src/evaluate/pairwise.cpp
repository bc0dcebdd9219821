#include "evaluate/pairwise.hpp"

#include <ATen/ops/addmm.h>
#include <ATen/ops/argmin.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/square.h>

#include <algorithm>
#include <limits>

#include "core/error.hpp"

namespace ganymede::evaluate {
namespace {

constexpr int64_t rows_at_once = 4096;

at::Tensor row_norms(const at::Tensor& x) { return at::square(x).sum(1); }

// sqrt of the sum of squares of each row, in float64.
at::Tensor lengths(const at::Tensor& differences) { return row_norms(differences).sqrt(); }

}  // namespace

at::Tensor squared_distances(const at::Tensor& a, const at::Tensor& b) {
  if (a.dim() != 2 || b.dim() != 2 || a.size(1) != b.size(1) || a.scalar_type() != b.scalar_type())
    throw Error(Fault::bug, "distances are asked between points of {} and {} axes, {} and {} numbers", a.dim(), b.dim(), a.size(-1),
                b.size(-1));
  const auto middle = b.mean(0);
  const auto from = a - middle, to = b - middle;
  auto squared = row_norms(from).unsqueeze(1) + row_norms(to);
  return squared.addmm_(from, to.t(), 1, -2).clamp_min_(0);
}

Nearest nearest_centre(const at::Tensor& points, const at::Tensor& centres) {
  const auto to = centres.to(points.device(), at::kDouble);
  std::vector<at::Tensor> index, distance;
  for (int64_t first = 0; first < points.size(0); first += rows_at_once) {
    const auto rows = points.slice(0, first, std::min(first + rows_at_once, points.size(0))).to(at::kDouble);
    index.push_back(squared_distances(rows, to).argmin(1));
    distance.push_back(lengths(rows - to.index_select(0, index.back())));
  }
  if (index.empty()) return {at::empty({0}, points.options().dtype(at::kLong)), at::empty({0}, points.options().dtype(at::kDouble))};
  return {at::cat(index), at::cat(distance)};
}

Nearest nearest_other(const at::Tensor& points, const at::Tensor& squared) {
  auto others = squared.clone();
  others.fill_diagonal_(std::numeric_limits<double>::infinity());
  const auto index = others.argmin(1);
  const auto exact = points.to(at::kDouble);
  return {index, lengths(exact - exact.index_select(0, index))};
}

}  // namespace ganymede::evaluate
