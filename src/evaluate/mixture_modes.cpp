#include "evaluate/mixture_modes.hpp"

#include <ATen/ops/all.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/full.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/special_gammainc.h>
#include <ATen/ops/special_xlogy.h>
#include <ATen/ops/where.h>

#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "evaluate/pairwise.hpp"

namespace ganymede::evaluate {
namespace {

struct Masses {
  at::Tensor modes;  // [K] float64, of all samples
  double invalid;
};

Masses masses(const at::Tensor& histogram, const at::Tensor& weights) {
  if (histogram.dim() != 1 || histogram.size(0) != weights.size(0) + 1)
    throw Error(Fault::bug, "a histogram of {} bins is judged against {} modes and one bin of invalid samples", histogram.numel(),
                weights.size(0));
  const auto samples = histogram.sum().item<int64_t>();
  if (samples == 0) throw Error(Fault::bug, "a histogram of modes without samples");
  const auto share = histogram.to(at::kDouble) / static_cast<double>(samples);
  return {share.slice(0, 0, weights.size(0)), share[-1].item<double>()};
}

int64_t covered_at_quarter(const at::Tensor& mass, const at::Tensor& weights) { return (mass >= weights / 4.0).sum().item<int64_t>(); }

}  // namespace

void check(const MixtureModel& mixture) {
  const auto k = mixture.weights.numel();
  if (k < 1 || mixture.centres.dim() != 2 || mixture.centres.size(0) != k || mixture.sd.numel() != k)
    throw Error(Fault::bad_data, "a mixture of {} weights has {} standard deviations and {} coordinates of centres", k, mixture.sd.numel(),
                mixture.centres.numel());
  if (!(mixture.sd > 0).all().item<bool>() || !(mixture.weights > 0).all().item<bool>())
    throw Error(Fault::bad_data, "a standard deviation or weight of the mixture is not positive");
  if (const double sum = mixture.weights.sum().item<double>(); !(std::abs(sum - 1.0) < 1e-9))
    throw Error(Fault::bad_data, "the weights of the mixture sum to {}, not to 1", sum);
}

ModeAssignment assign_modes(const at::Tensor& points, const MixtureModel& mixture) {
  check(mixture);
  const auto nearest = nearest_centre(points.cpu(), mixture.centres);
  return {nearest.index, nearest.distance <= valid_radius_sd * mixture.sd.index_select(0, nearest.index)};
}

at::Tensor mode_histogram(const at::Tensor& points, const MixtureModel& mixture) {
  const auto k = mixture.weights.size(0);
  const auto [mode, is_valid] = assign_modes(points, mixture);
  return at::bincount(at::where(is_valid, mode, k), {}, k + 1);
}

SandlundScore sandlund(const at::Tensor& histogram, const at::Tensor& weights) {
  const auto mass = masses(histogram, weights);
  return {.total_variation = 0.5 * ((mass.modes - weights).abs().sum().item<double>() + mass.invalid),
          .valid_share = 1.0 - mass.invalid,
          .covered_at_1_percent = (mass.modes >= 0.01).sum().item<int64_t>(),
          .covered_at_quarter = covered_at_quarter(mass.modes, weights)};
}

PacganScore pacgan(const at::Tensor& histogram, const at::Tensor& weights) {
  const auto mass = masses(histogram, weights);
  const double valid = mass.modes.sum().item<double>();
  const auto p = mass.modes / valid;
  return {.modes = (mass.modes > 0).sum().item<int64_t>(),
          .modes_at_quarter = covered_at_quarter(mass.modes, weights),
          .high_quality = 1.0 - mass.invalid,
          .reverse_kl = valid > 0 ? at::special_xlogy(p, p / weights).sum().item<double>() : std::numeric_limits<double>::quiet_NaN()};
}

double real_valid_share(int64_t features) {
  // χ² with F degrees of freedom below r²: the regularized lower incomplete gamma function of F/2 at r²/2.
  const auto double_options = at::TensorOptions().dtype(at::kDouble);
  return at::special_gammainc(at::scalar_tensor(static_cast<double>(features) / 2, double_options),
                              at::scalar_tensor(valid_radius_sd * valid_radius_sd / 2, double_options))
      .item<double>();
}

}  // namespace ganymede::evaluate
