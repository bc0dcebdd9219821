#include "evaluate/distances.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/special_xlogy.h>
#include <ATen/ops/square.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "core/error.hpp"
#include "evaluate/draws.hpp"

namespace ganymede::evaluate {
namespace {

constexpr int64_t directions_at_once = 64;  // 10,000 samples: 5 MB a set

// Unit vectors, [512, F].
at::Tensor unit_directions(int64_t features, const Rng& rng) {
  if (features == 2) {
    const auto angle = at::arange(sliced_directions, at::kDouble) * (std::numbers::pi / sliced_directions);
    return at::stack({angle.cos(), angle.sin()}, 1);
  }
  const auto normals = rng.normal({.purpose = Purpose::eval, .index = EvalIndex::directions}, 0, sliced_directions, features);
  return normals / normals.norm(2, {1}, true);
}

void check_pair(const at::Tensor& x, const at::Tensor& y, int64_t axes) {
  if (x.dim() != axes || y.dim() != axes || !x.sizes().equals(y.sizes()) || x.size(0) < 1)
    throw Error(Fault::bug, "a transport distance between {} and {} numbers: it needs equally many samples of one size, at least one",
                x.numel(), y.numel());
}

// Differences of equally ranked samples along the last axis.
at::Tensor ranked_differences(const at::Tensor& x, const at::Tensor& y) {
  return std::get<0>(at::sort(x, -1)) - std::get<0>(at::sort(y, -1));
}

struct Counts {
  at::Tensor bins;  // [bins] float64
  double outside;
};

Counts count(const at::Tensor& x, const HistogramBins& bins) {
  const auto number = std::llround((bins.high - bins.low) / bins.width);
  const auto place = ((x.to(at::kDouble) - bins.low) / bins.width).floor();
  const auto is_inside = (place >= 0).logical_and_(place < static_cast<double>(number));
  const auto counts = at::bincount(at::where(is_inside, place, static_cast<double>(number)).to(at::kLong), {}, number + 1).to(at::kDouble);
  return {counts.slice(0, 0, number), counts[-1].item<double>()};
}

}  // namespace

Wasserstein wasserstein_on_line(const at::Tensor& x, const at::Tensor& y) {
  check_pair(x, y, 1);
  const auto differences = ranked_differences(x.to(at::kDouble), y.to(at::kDouble));
  return {differences.abs().mean().item<double>(), std::sqrt(at::square(differences).mean().item<double>())};
}

double emd(const at::Tensor& x, const at::Tensor& y) { return wasserstein_on_line(x, y).w1; }

Wasserstein sliced_wasserstein(const at::Tensor& x, const at::Tensor& y, const Rng& rng) {
  check_pair(x, y, 2);
  const auto directions = unit_directions(x.size(1), rng).to(x.device());
  const auto a = x.to(at::kDouble).t(), b = y.to(at::kDouble).t();
  double sum = 0, sum_of_squares = 0;
  for (int64_t first = 0; first < sliced_directions; first += directions_at_once) {
    const auto some = directions.slice(0, first, first + directions_at_once);
    const auto differences = ranked_differences(at::matmul(some, a), at::matmul(some, b));
    sum += differences.abs().sum().item<double>();
    sum_of_squares += at::square(differences).sum().item<double>();
  }
  const auto terms = static_cast<double>(sliced_directions * x.size(0));
  return {sum / terms, std::sqrt(sum_of_squares / terms)};
}

HistogramKl histogram_kl(const at::Tensor& generated, const at::Tensor& data, const HistogramBins& bins) {
  const auto mine = count(generated, bins), theirs = count(data, bins);
  const auto holds_data = theirs.bins > 0;
  const auto p_counts = mine.bins.masked_select(holds_data), q_counts = theirs.bins.masked_select(holds_data);
  const double kept = p_counts.sum().item<double>();
  const double outside = 1.0 - kept / static_cast<double>(generated.numel());
  if (kept == 0) return {std::numeric_limits<double>::quiet_NaN(), outside};
  const auto p = p_counts / kept, q = q_counts / q_counts.sum();
  return {at::special_xlogy(p, p / q).sum().item<double>(), outside};
}

}  // namespace ganymede::evaluate
