// Which modes of a known mixture of round Gaussians the samples fall into, and how well their masses agree. A sample belongs to its
// nearest centre and is valid within 3 standard deviations of it; the mass of a mode is its valid samples over all samples.
//   sandlund  covered modes, total variation ½(Σ|m_j − w_j| + invalid), valid share: the public protocol of the ring and grid runs
//   pacgan    Lin et al. 2018, "PacGAN", section 4.1, after Srivastava et al. 2017, "VEEGAN": modes hit, high-quality share, reverse KL
// These see neither the spread inside a mode (within_modes.hpp) nor its place to less than a cell (fine_grid.hpp).
// n samples, K modes, F coordinates. Mixtures and results are on the CPU, points anywhere. All work on one process; a histogram may be
// summed over ranks before it is judged.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ganymede::evaluate {

struct MixtureModel {
  at::Tensor centres;  // [K,F] float64
  at::Tensor sd;       // [K] float64, equal along all axes
  at::Tensor weights;  // [K] float64, sum 1
};

constexpr double valid_radius_sd = 3.0;

/// Throws Error(Fault::bad_data) when the shapes do not fit, a deviation or weight is not positive, or the weights do not sum to 1.
void check(const MixtureModel& mixture);

struct ModeAssignment {
  at::Tensor mode;      // [n] int64
  at::Tensor is_valid;  // [n] bool; false for a sample that is not finite
};
ModeAssignment assign_modes(const at::Tensor& points, const MixtureModel& mixture);

/// Samples per mode, then the invalid ones: [K+1] int64.
at::Tensor mode_histogram(const at::Tensor& points, const MixtureModel& mixture);

struct SandlundScore {
  double total_variation = 0;
  double valid_share = 0;
  int64_t covered_at_1_percent = 0;  // modes with at least 1 % of all samples
  int64_t covered_at_quarter = 0;    // with at least a quarter of their own weight: 1/(4K) where weights are equal
};
/// histogram [K+1] as above, weights [K]. Throws Error(Fault::bug) for an empty histogram or one of another K.
SandlundScore sandlund(const at::Tensor& histogram, const at::Tensor& weights);

struct PacganScore {
  int64_t modes = 0;             // with at least one valid sample
  int64_t modes_at_quarter = 0;  // as covered_at_quarter
  double high_quality = 0;       // share of valid samples
  double reverse_kl = 0;         // Σ p̂ log(p̂/w) over the valid samples; log K − H(p̂) for equal weights; NaN without valid samples
};
PacganScore pacgan(const at::Tensor& histogram, const at::Tensor& weights);

/// The share of a round F-dimensional Gaussian within 3 standard deviations: 0.98889 for F = 2.
double real_valid_share(int64_t features);

}  // namespace ganymede::evaluate
