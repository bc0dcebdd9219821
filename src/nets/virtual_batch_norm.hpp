// Virtual batch norm: a sample is normalized by a fixed reference batch and itself, so the samples of a batch do not couple.
// Salimans et al. 2016, "Improved Techniques for Training GANs", section 3.5. With m, v the mean and variance of a channel over the
// n reference samples and their pixels, m_i, v_i those of sample i over its pixels, c = 1/(n+1):
//   μ = (1−c)·m + c·m_i,   s² = (1−c)(v + (m−μ)²) + c(v_i + (m_i−μ)²),   y = γ(x−μ)/√(s² + 1e-5) + β;
// the reference batch itself is normalized by m and v. Gradients flow through the reference too.
// Every rank sends the whole reference batch through its network (Network::forward appends it), so nothing is reduced.
#pragma once
#include "nets/layers.hpp"

namespace ganymede::nets {

/// [B,C,…] or [B,C] -> same, the last rows those of the reference. Parameters weight (γ) ~ N(1, 0.02²), bias (β) = 0. Training and
/// evaluation are one; there are no running buffers. Throws Error(Fault::bug) where the last range is no Source::reference.
class VirtualBatchNorm final : public Layer {
 public:
  explicit VirtualBatchNorm(int64_t channels);
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  std::string describe() const override;
  std::vector<Init> initial() const override { return {Init::normal(1.0, 0.02), Init::constant(0.0)}; }

 private:
  int64_t channels_;
  at::Tensor weight_, bias_;
};

}  // namespace ganymede::nets
