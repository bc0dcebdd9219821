// Batch norm whose training statistics are those of the global batch: n values a channel over all ranks and pixels,
//   y = γ(x − mean)/√(var + 1e-5) + β,   running_var takes var·n/(n−1) with the global n.
// Ioffe & Szegedy 2015, "Batch Normalization"; over ranks: combined n, mean and M2 of Chan et al. 1979, in rank order.
// One collective a forward, one a backward.
#pragma once
#include "nets/batch_statistics.hpp"
#include "nets/layers.hpp"

namespace ganymede::nets {

constexpr double batch_norm_epsilon = 1e-5;
constexpr double batch_norm_momentum = 0.1;  // share of a batch in the running statistics
struct NormInput;
struct NormStatistics;

/// The buffers running_mean, running_var and num_batches_tracked of a layer that normalizes over the batch.
class RunningStatistics {
 public:
  RunningStatistics(torch::nn::Module& layer, int64_t channels, double momentum);
  /// What to normalize x with: in training the statistics of x over all ranks, which enter the buffers, else the buffers.
  NormStatistics measure(const at::Tensor& x, bool training, BatchStatistics* over_ranks);

 private:
  double momentum_;
  at::Tensor mean_, variance_, batches_;
};

/// [B,C,H,W] or [B,C] -> same. Parameters weight (γ), bias (β); buffers running_mean, running_var, num_batches_tracked.
class BatchNorm final : public Layer {
 public:
  explicit BatchNorm(int64_t channels, double momentum = batch_norm_momentum);
  /// nullptr: statistics are this process's own. Kept by reference; outlives the layer's last forward.
  void share_statistics(BatchStatistics* statistics) override { statistics_ = statistics; }
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  /// What block.hpp needs to normalize x.
  NormInput prepare(const at::Tensor& x);
  std::string describe() const override;
  std::vector<Init> initial() const override;  // γ ~ N(1, 0.02²), β = 0

 private:
  int64_t channels_;
  BatchStatistics* statistics_ = nullptr;
  at::Tensor weight_, bias_;
  RunningStatistics running_;
};

}  // namespace ganymede::nets
