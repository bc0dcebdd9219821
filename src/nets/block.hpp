// What lies between two linear layers and the second of them, as one step of autograd: [batch norm ->] activation [-> linear map].
// Only the input of batch norm is kept for the backward pass, which computes the activation again (one pass over values that are
// in memory anyway); composed of separate layers, batch norm's output would be kept as well. In front of locked weights, without
// batch norm, only the activation's signs are kept.
#pragma once
#include <optional>

#include "nets/batch_norm.hpp"
#include "nets/layers.hpp"

namespace ganymede::nets {

/// The statistics that batch norm normalizes with.
struct NormStatistics {
  at::Tensor mean, variance;              // float64 [C]; variance is the biased one
  double count = 0;                       // values a channel, all ranks; 0: running statistics, which no gradient reaches
  BatchStatistics* over_ranks = nullptr;  // sums the backward's two sums over ranks; nullptr: one process
};

struct NormInput {
  at::Tensor weight, bias;  // γ, β [C]
  NormStatistics statistics;
};

/// map(f(norm(x))), f(v) = v > 0 ? v : slope·v with slope >= 0 (1: no activation). Either of norm and map may be missing.
/// Differentiable, as often as asked, over ranks too. owns_input: x is overwritten where that saves a copy, always where norm is
/// missing.
at::Tensor run_block(const at::Tensor& x, const std::optional<NormInput>& norm, double slope, const LinearMap* map, bool owns_input);

}  // namespace ganymede::nets
