// Batch norm with a scale and a shift of its own for each class; the statistics are those of the whole batch, all classes together:
//   y = γ_c·x̂ + β_c for a sample of class c.
// Dumoulin et al. 2017, "A Learned Representation for Artistic Style", equation 5; for generators Miyato & Koyama 2018.
#pragma once
#include "nets/batch_norm.hpp"

namespace ganymede::nets {

/// [B,C,H,W] or [B,C] -> same. Parameters weight (γ), bias (β) [K,C], from 1 and 0; buffers as BatchNorm's. Reads Pass::labels;
/// throws Error(Fault::bug) where they are missing.
class ConditionalBatchNorm final : public Layer {
 public:
  ConditionalBatchNorm(int64_t channels, int64_t classes, double momentum = batch_norm_momentum);
  void share_statistics(BatchStatistics* statistics) override { over_ranks_ = statistics; }
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  std::string describe() const override;
  std::vector<Init> initial() const override { return {Init::constant(1.0), Init::constant(0.0)}; }

 private:
  int64_t channels_, classes_;
  BatchStatistics* over_ranks_ = nullptr;
  at::Tensor weight_, bias_;
  RunningStatistics running_;
};

}  // namespace ganymede::nets
