// Minibatch standard deviation: shows the discriminator how much the samples of a group differ.
// Karras et al. 2018, "Progressive Growing of GANs", section 3: for each group the standard deviation over its samples,
//   s = √(mean over the group of (x − group mean)² + 1e-8),
// averaged over channels and pixels to one number, which every sample of the group gets as a channel. With f maps the channels are
// split into f parts, each with its own number.
// Groups are consecutive samples of the global batch, so that most need no other rank; those that lie on two ranks or more are
// gathered. The whole batch as one group takes its mean and variance by sums over ranks.
#pragma once
#include "nets/layers.hpp"

namespace ganymede::nets {

/// [B,C,…] -> [B,C+f,…]. Throws Error(Fault::bug) where the global batch is no multiple of the group or C none of f.
class MinibatchStddev final : public Layer {
 public:
  /// group: samples (at most the batch); 1: the whole batch.
  MinibatchStddev(int64_t group, int64_t maps) : group_(group), maps_(maps) {}
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  void share_statistics(BatchStatistics* statistics) override { statistics_ = statistics; }
  std::string describe() const override;

 private:
  at::Tensor numbers(const at::Tensor& x, const RowRange& range) const;
  int64_t group_, maps_;
  BatchStatistics* statistics_ = nullptr;
};

}  // namespace ganymede::nets
