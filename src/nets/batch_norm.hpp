// Batch norm whose training statistics are those of the global batch: n values a channel over all ranks and pixels,
//   y = γ(x − mean)/√(var + 1e-5) + β,   running_var takes var·n/(n−1) with the global n, momentum 0.1.
// Ioffe & Szegedy 2015, "Batch Normalization"; over ranks: combined n, mean and M2 of Chan et al. 1979, in rank order.
// One collective a forward, one a backward.
#pragma once
#include "nets/layers.hpp"

namespace ganymede::nets {

constexpr double batch_norm_epsilon = 1e-5;
struct NormInput;

/// Reduces small statistics over ranks; implemented by `parallel`. Results are bitwise equal on all ranks.
class BatchStatistics {
 public:
  virtual ~BatchStatistics() = default;
  /// [ranks, …own shape] in rank order.
  virtual at::Tensor all_gather(const at::Tensor& own, const char* what) = 0;
  /// In place.
  virtual void all_reduce_sum(at::Tensor tensor, const char* what) = 0;
};

/// [B,C,H,W] or [B,C] -> same. Parameters weight (γ), bias (β); buffers running_mean, running_var, num_batches_tracked.
class BatchNorm final : public Layer {
 public:
  explicit BatchNorm(int64_t channels);
  /// nullptr: statistics are this process's own. Kept by reference; outlives the layer's last forward.
  void share_statistics(BatchStatistics* statistics) override { statistics_ = statistics; }
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  /// What block.hpp needs to normalize x: in training the statistics of x over all ranks, which enter the buffers, else the buffers.
  NormInput prepare(const at::Tensor& x);
  std::string describe() const override;
  std::vector<Init> initial() const override;  // γ ~ N(1, 0.02²), β = 0

 private:
  int64_t channels_;
  BatchStatistics* statistics_ = nullptr;
  at::Tensor weight_, bias_, running_mean_, running_var_, num_batches_tracked_;
};

}  // namespace ganymede::nets
