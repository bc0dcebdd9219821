// Which parts of the data the generator reaches, and whether it leaves some that it had reached. The data space is parted once, by
// nearest centre: the centres of a mixture, a classifier's classes, or centroids of held-out reals. p_j, q_j are the shares of reals and
// fakes in part j; j is covered when q_j ≥ p_j/4.
//   lost       Σ p_j over uncovered j
//   turnover   ½Σ|q_j(now) − q_j(last check)|, beside the same between two sets of reals, which is its floor
//   forgotten  Σ p_j over j covered at one of the last 20 checks and not now
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <deque>
#include <string>

#include "core/rng.hpp"
#include "core/state.hpp"

namespace ganymede::evaluate {

/// Centroids [k,F], float64 on the CPU, of points [n,F]: k-means++ (Arthur and Vassilvitskii 2007), then `rounds` of Lloyd's.
/// Draws k numbers of purpose eval, step 0. Coinciding points may give equal centroids.
/// Throws Error(Fault::bug) for fewer points than centroids.
at::Tensor kmeans_centroids(const at::Tensor& points, int64_t k, const Rng& rng, int64_t rounds = 10);

/// Shares of the samples by nearest centre: [J] float64 on the CPU.
at::Tensor part_shares(const at::Tensor& samples, const at::Tensor& centres);

/// ½Σ|a_j − b_j|.
double turnover(const at::Tensor& a, const at::Tensor& b);

struct CoverageReport {
  double lost = 0;
  double turnover = 0;            // 0 at the first check
  double turnover_of_reals = 0;   // between r and r′
  double forgotten = 0;
};

class Coverage {
 public:
  /// centres [J,F], fixed for the run.
  explicit Coverage(at::Tensor centres);
  /// fakes, two disjoint sets of reals; remembers the fakes' shares for the next check.
  CoverageReport see(const at::Tensor& y, const at::Tensor& r, const at::Tensor& r2);
  const at::Tensor& centres() const { return centres_; }

  void save(State& state, const std::string& group) const;
  void load(const State& state, const std::string& group);

 private:
  at::Tensor centres_;
  at::Tensor last_shares_;          // undefined before the first check
  std::deque<at::Tensor> covered_;  // [J] bool of the last 20 checks, oldest first
};

}  // namespace ganymede::evaluate
