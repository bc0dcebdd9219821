// The mixtures of the public runs, and fresh samples of them.
#pragma once
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/meshgrid.h>
#include <ATen/ops/stack.h>

#include <numbers>

#include "core/rng.hpp"
#include "evaluate/mixture_modes.hpp"

namespace ganymede::evaluate::test {

inline MixtureModel of_centres(const at::Tensor& centres, double sd) {
  const auto k = centres.size(0);
  return {centres, at::full({k}, sd, at::kDouble), at::full({k}, 1.0 / static_cast<double>(k), at::kDouble)};
}

inline MixtureModel ring(int64_t modes = 8, double radius = 2.0, double sd = 0.1) {
  const auto angle = at::arange(modes, at::kDouble) * (2.0 * std::numbers::pi / static_cast<double>(modes));
  return of_centres(at::stack({angle.cos(), angle.sin()}, 1) * radius, sd);
}

/// side × side centres around the origin.
inline MixtureModel grid(int64_t side, double spacing, double sd) {
  const auto line = (at::arange(side, at::kDouble) - static_cast<double>(side - 1) / 2.0) * spacing;
  const auto planes = at::meshgrid({line, line}, "ij");
  return of_centres(at::stack({planes[0].flatten(), planes[1].flatten()}, 1), sd);
}

/// n samples of equally weighted modes, float64.
inline at::Tensor draw(const MixtureModel& mixture, int64_t n, uint64_t seed) {
  const Rng rng(seed);
  const Draw at{.purpose = Purpose::data};
  const auto k = mixture.centres.size(0);
  const auto mode = (rng.uniform(at, 0, n, 1).select(1, 0) * static_cast<double>(k)).to(at::kLong);
  const auto normals = rng.normal(at, 0, n, mixture.centres.size(1), 4);
  return mixture.centres.index_select(0, mode) + normals * mixture.sd.index_select(0, mode).unsqueeze(1);
}

}  // namespace ganymede::evaluate::test
