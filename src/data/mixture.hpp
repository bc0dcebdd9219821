// A mixture of round Gaussians, the toy on which modes can be counted: what it is, and how its points are drawn.
// K components in F dimensions. A point is a pure function of (seed, purpose, index, step, place): element 0 picks the component,
// the F normals start at element 4, so that neither moves when the other grows.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "core/rng.hpp"

namespace ganymede::data {

struct Mixture {
  std::vector<std::vector<double>> centres;  // K of F numbers
  std::vector<double> sd;                    // of each component, the same along every axis
  std::vector<double> weights;               // of each component, relative: only their ratios count

  int64_t components() const { return static_cast<int64_t>(centres.size()); }
  int64_t dims() const { return centres.empty() ? 0 : static_cast<int64_t>(centres.front().size()); }
  /// The weights over their sum: what share of the points each component has.
  std::vector<double> shares() const;
  /// The same with every length divided by `scale`.
  Mixture divided_by(double scale) const;
  bool operator==(const Mixture&) const = default;
};

/// Draws points of one mixture; any thread may call.
class MixturePoints {
 public:
  /// Weights that are not all zero, as the manifest's reader and the formulas guarantee.
  explicit MixturePoints(Mixture mixture);

  const Mixture& mixture() const { return mixture_; }
  /// The first component k with word < ⌈2^32 · (w_0 + … + w_k) / Σw⌉; for equal weights that is (word · K) >> 32.
  int32_t component(uint32_t word) const;
  /// Of places first_place …, int32 [count].
  at::Tensor pick(const Rng& rng, const Draw& draw, int64_t first_place, int64_t count) const;
  /// centre + sd · normal in float64, rounded once: float32 [n,F] for the int32 [n] `components` of the same places.
  at::Tensor points(const Rng& rng, const Draw& draw, int64_t first_place, const at::Tensor& components) const;

 private:
  Mixture mixture_;
  std::vector<uint64_t> ends_;  // of each component, in the words
};

}  // namespace ganymede::data
