// Spectral normalization: a weight divided by (an estimate of) its largest singular value, W_sn = W / σ, σ = uᵀ·W·v.
// Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks", algorithm 1; names, order of the updates and
// eps as in torch.nn.utils.parametrizations.spectral_norm, so that a state_dict fits by name and value.
// W counts as a matrix, out × rest; u [out] and v [rest] are buffers. One power iteration (or more) a training forward, none in evaluation.
#pragma once
#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include "core/rng.hpp"

namespace ganymede::nets {

/// The module that PyTorch registers under parametrizations.weight.0: buffers _u and _v.
class SpectralNorm final : public torch::nn::Module {
 public:
  static constexpr int64_t iterations_at_start = 15;
  /// out_axis: the axis of a weight that counts its outputs (1 of a transposed convolution, else 0).
  /// iterations: of each training forward.
  SpectralNorm(int64_t out, int64_t rest, int64_t out_axis, int64_t iterations = 1);
  /// W / σ with W's graph; u and v are constants of it. In training u, then v, are brought nearer to the singular vectors first.
  at::Tensor apply(const at::Tensor& weight);
  /// u and v drawn N(0,1) by counter (purpose init; u at `place`, v at the next), normalized, then 15 power iterations.
  void start(const at::Tensor& weight, const Rng& rng, const Draw& draw, int64_t place);

 private:
  at::Tensor matrix(const at::Tensor& weight) const;
  void iterate(const at::Tensor& matrix, int64_t times);

  int64_t out_axis_, iterations_;
  at::Tensor u_, v_;
};

}  // namespace ganymede::nets
