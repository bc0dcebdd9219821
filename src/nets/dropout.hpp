// Dropout for discriminators: y = x·mask/(1−p) in training, mask ~ Bernoulli(1−p) for each value or each channel of a sample.
// Srivastava et al. 2014, "Dropout: A Simple Way to Prevent Neural Networks from Overfitting".
// The mask is drawn by place, so it is the same on any number of ranks: purpose dropout, index 8·(number of the layer) + source,
// elements (H,W,C), or the channels; kept where the number is at least p. The reference batch of virtual batch norm is left alone.
#pragma once
#include "nets/layers.hpp"

namespace ganymede::nets {

/// [B,C,…] or [B,F] -> same. In evaluation, and with p = 0, x itself. Throws Error(Fault::bug) in training without random numbers.
class Dropout final : public Layer {
 public:
  /// 0 <= p < 1; number: the layer's place in its network.
  Dropout(double p, bool by_channel, int64_t number) : p_(p), by_channel_(by_channel), number_(number) {}
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  std::string describe() const override;

 private:
  at::Tensor mask(const at::Tensor& rows, const Pass& pass, const RowRange& range) const;
  double p_;
  bool by_channel_;
  int64_t number_;
};

}  // namespace ganymede::nets
