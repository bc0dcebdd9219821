#include "evaluate/coverage.hpp"

#include <ATen/ops/bincount.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <vector>

#include "core/error.hpp"
#include "core/saved_values.hpp"
#include "evaluate/draws.hpp"
#include "evaluate/pairwise.hpp"

namespace ganymede::evaluate {
namespace {

constexpr size_t remembered_checks = 20;

// The first row whose cumulated weight exceeds u times the sum; any row where all weights are 0.
int64_t pick(const at::Tensor& weights, double u) {
  const auto upto = weights.cumsum(0);
  const double sum = upto[-1].item<double>();
  const int64_t n = weights.size(0);
  if (!(sum > 0)) return static_cast<int64_t>(u * static_cast<double>(n));
  return std::min((upto <= u * sum).sum().item<int64_t>(), n - 1);
}

at::Tensor first_centroids(const at::Tensor& points, int64_t k, const Rng& rng) {
  const auto u = rng.uniform({.purpose = Purpose::eval, .index = EvalIndex::kmeans}, 0, k, 1);
  std::vector<at::Tensor> chosen = {points[static_cast<int64_t>(u[0][0].item<double>() * static_cast<double>(points.size(0)))]};
  at::Tensor nearest;  // squared distance of each point to the chosen ones
  while (static_cast<int64_t>(chosen.size()) < k) {
    const auto squared = (points - chosen.back()).square().sum(1);
    nearest = nearest.defined() ? at::minimum(nearest, squared) : squared;
    chosen.push_back(points[pick(nearest, u[static_cast<int64_t>(chosen.size())][0].item<double>())]);
  }
  return at::stack(chosen);
}

double sum_where(const at::Tensor& shares, const at::Tensor& mask) { return shares.masked_select(mask).sum().item<double>(); }

}  // namespace

at::Tensor kmeans_centroids(const at::Tensor& points, int64_t k, const Rng& rng, int64_t rounds) {
  if (points.dim() != 2 || k < 1 || points.size(0) < k) throw Error(Fault::bug, "{} centroids are asked of {} points", k, points.size(0));
  const auto x = points.to(at::kCPU, at::kDouble);
  auto centroids = first_centroids(x, k, rng);
  for (int64_t round = 0; round < rounds; ++round) {
    const auto index = nearest_centre(x, centroids).index;
    const auto counts = at::bincount(index, {}, k).unsqueeze(1);
    const auto sums = at::zeros_like(centroids).index_add_(0, index, x);
    centroids = at::where(counts > 0, sums / counts, centroids);  // a centroid that lost all its points stays where it was
  }
  return centroids;
}

at::Tensor part_shares(const at::Tensor& samples, const at::Tensor& centres) {
  const auto counts = at::bincount(nearest_centre(samples, centres).index, {}, centres.size(0));
  return counts.to(at::kCPU, at::kDouble) / static_cast<double>(samples.size(0));
}

double turnover(const at::Tensor& a, const at::Tensor& b) { return 0.5 * (a - b).abs().sum().item<double>(); }

Coverage::Coverage(at::Tensor centres) : centres_(centres.to(at::kCPU, at::kDouble)) {
  if (centres_.dim() != 2 || centres_.size(0) < 1)
    throw Error(Fault::bug, "coverage is watched over {} numbers, not over centres [J,F]", centres_.numel());
}

CoverageReport Coverage::see(const at::Tensor& y, const at::Tensor& r, const at::Tensor& r2) {
  const auto p = part_shares(r, centres_), q = part_shares(y, centres_);
  const auto is_covered = q >= p / 4.0;
  auto was_covered = at::zeros_like(is_covered);
  for (const auto& earlier : covered_) was_covered = was_covered.logical_or(earlier);
  const CoverageReport report{.lost = sum_where(p, is_covered.logical_not()),
                              .turnover = last_shares_.defined() ? evaluate::turnover(q, last_shares_) : 0.0,
                              .turnover_of_reals = evaluate::turnover(p, part_shares(r2, centres_)),
                              .forgotten = sum_where(p, was_covered.logical_and(is_covered.logical_not()))};
  last_shares_ = q;
  covered_.push_back(is_covered);
  if (covered_.size() > remembered_checks) covered_.pop_front();
  return report;
}

void Coverage::save(State& state, const std::string& group) const {
  state.tensors[group + "/centres"] = centres_.contiguous();
  state.attributes[group]["remembered"] = static_cast<int64_t>(covered_.size());
  if (covered_.empty()) return;
  state.tensors[group + "/last_shares"] = last_shares_;
  state.tensors[group + "/covered"] = at::stack(std::vector<at::Tensor>(covered_.begin(), covered_.end())).to(at::kLong);
}

void Coverage::load(const State& state, const std::string& group) {
  centres_ = saved_tensor(state, group + "/centres");
  last_shares_ = at::Tensor();
  covered_.clear();
  if (saved_value<int64_t>(state, group, "remembered") == 0) return;
  last_shares_ = saved_tensor(state, group + "/last_shares");
  for (const auto& row : saved_tensor(state, group + "/covered").unbind(0)) covered_.push_back(row != 0);
}

}  // namespace ganymede::evaluate
