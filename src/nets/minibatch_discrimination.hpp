// Minibatch discrimination: features that say how near each sample lies to the others of its batch.
// Salimans et al. 2016, "Improved Techniques for Training GANs", section 3.2, as its authors published it:
//   M = f·T with T [A,J,I], T = weight normalized over A times exp(log_scale),
//   o_ib = Σ_{j≠i} exp(−Σ_I |M_ib − M_jb|) + bias_b, appended to f.
// The plain form, which most reimplementations have: T = weight ~ N(0,1) itself, no scale, no bias.
// Distances are to all N samples of the global batch: M is gathered, each rank works on its own rows.
// Shapes: B samples on this rank, A features, J kernels (the features added), I dimensions of each.
#pragma once
#include "nets/layers.hpp"

namespace ganymede::nets {

/// [B,A] -> [B,A+J]. Parameters weight [A,J,I] ~ N(0, 0.05²), log_scale [J,I] = 0, bias [J] = −1; plain: weight ~ N(0,1) alone.
/// Memory: 2·B·N·J numbers.
class MinibatchDiscrimination final : public Layer {
 public:
  MinibatchDiscrimination(int64_t features, int64_t kernels, int64_t size, bool is_plain = false);
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  void share_statistics(BatchStatistics* statistics) override { statistics_ = statistics; }
  std::string describe() const override;
  std::vector<Init> initial() const override;

 private:
  int64_t features_, kernels_, size_;
  bool is_plain_;
  BatchStatistics* statistics_ = nullptr;
  at::Tensor weight_, log_scale_, bias_;  // the last two undefined where plain
};

/// Σ_I |a − b| of every pair: a [I,J,n], b [I,J,N] -> [J,n,N]. Twice differentiable; keeps nothing of that size but its result.
at::Tensor l1_distances(const at::Tensor& a, const at::Tensor& b);

}  // namespace ganymede::nets
