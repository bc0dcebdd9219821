// How much of each mode's own spread the samples keep. Mode counts and total variation are blind here: eight point masses score 0.
// Over the valid samples of a mode (mixture_modes.hpp) with covariance C, and κ the factor by which cutting a Gaussian at 3 standard
// deviations lowers its variance (0.949448 in 2-D):
//   sd ratio √(tr C/(F·κσ²)),  volume ratio (det C)^(1/F)/(κσ²); both are 1 for real data.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "evaluate/mixture_modes.hpp"

namespace ganymede::evaluate {

constexpr int64_t least_samples_of_a_mode = 30;

struct ModeSpread {
  int64_t mode = 0;
  int64_t samples = 0;
  double sd_ratio = 0;
  double volume_ratio = 0;
};

struct WithinModes {
  std::vector<ModeSpread> modes;  // only those with at least 30 valid samples
  double mean_sd_ratio, min_sd_ratio, mean_volume_ratio, min_volume_ratio;  // over these; NaN where there are none
};

/// points [n,F], any floating type; the covariances are taken in float64.
WithinModes within_modes(const at::Tensor& points, const MixtureModel& mixture);

/// κ of F dimensions.
double cut_variance_factor(int64_t features);

/// More samples in the core of the modes than real data has, by 3 standard errors, or a mean sd ratio below 0.8: such a low total
/// variation is half a result.
bool is_too_sharp(double valid_share, int64_t samples, int64_t features, double mean_sd_ratio);

}  // namespace ganymede::evaluate
