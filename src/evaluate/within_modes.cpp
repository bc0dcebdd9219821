#include "evaluate/within_modes.hpp"

#include <ATen/ops/cov.h>
#include <ATen/ops/linalg_det.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace ganymede::evaluate {
namespace {

ModeSpread spread(int64_t mode, const at::Tensor& points, double variance) {
  const auto features = points.size(1);
  const auto c = at::cov(points.t()).reshape({features, features});  // one coordinate: cov gives a scalar
  const double expected = cut_variance_factor(features) * variance;
  const double determinant = std::max(0.0, at::linalg_det(c).item<double>());  // rounding may put that of a line below 0
  return {.mode = mode,
          .samples = points.size(0),
          .sd_ratio = std::sqrt(c.diagonal().sum().item<double>() / (static_cast<double>(features) * expected)),
          .volume_ratio = std::pow(determinant, 1.0 / static_cast<double>(features)) / expected};
}

template <typename Member>
std::pair<double, double> mean_and_min(const std::vector<ModeSpread>& modes, Member member) {
  if (modes.empty()) return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
  double sum = 0, least = std::numeric_limits<double>::infinity();
  for (const auto& mode : modes) sum += mode.*member, least = std::min(least, mode.*member);
  return {sum / static_cast<double>(modes.size()), least};
}

}  // namespace

// E‖x‖² of a Gaussian cut at r, over F: P(χ²_{F+2} ≤ r²)/P(χ²_F ≤ r²).
double cut_variance_factor(int64_t features) { return real_valid_share(features + 2) / real_valid_share(features); }

WithinModes within_modes(const at::Tensor& points, const MixtureModel& mixture) {
  const auto [mode, is_valid] = assign_modes(points, mixture);
  WithinModes result;
  for (int64_t k = 0; k < mixture.weights.size(0); ++k) {
    const auto mine = (mode == k).logical_and_(is_valid).nonzero().squeeze(1);
    const double sd = mixture.sd[k].item<double>();
    if (mine.size(0) >= least_samples_of_a_mode)
      result.modes.push_back(spread(k, points.cpu().index_select(0, mine).to(at::kDouble) - mixture.centres[k], sd * sd));
  }
  std::tie(result.mean_sd_ratio, result.min_sd_ratio) = mean_and_min(result.modes, &ModeSpread::sd_ratio);
  std::tie(result.mean_volume_ratio, result.min_volume_ratio) = mean_and_min(result.modes, &ModeSpread::volume_ratio);
  return result;
}

bool is_too_sharp(double valid_share, int64_t samples, int64_t features, double mean_sd_ratio) {
  const double real = real_valid_share(features);
  return valid_share > real + 3.0 * std::sqrt(real * (1.0 - real) / static_cast<double>(samples)) || mean_sd_ratio < 0.8;
}

}  // namespace ganymede::evaluate
