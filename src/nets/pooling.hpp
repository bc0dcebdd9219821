// Down-sampling without weights: 2×2 windows with stride 2 (an odd last row or column is left out), and the mean or the sum over
// all pixels, with which a discriminator's head does not depend on the size of the pictures.
#pragma once
#include "nets/layers.hpp"

namespace ganymede::nets {

/// [B,C,H,W] -> [B,C,⌊H/2⌋,⌊W/2⌋]. Of equal values the largest is the first in row order.
class Pool final : public Layer {
 public:
  enum class Kind { average, largest };
  explicit Pool(Kind kind) : kind_(kind) {}
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  std::string describe() const override { return kind_ == Kind::average ? "AvgPool(2)" : "MaxPool(2)"; }

 private:
  Kind kind_;
};

/// [B,C,H,W] -> [B,C].
class GlobalPool final : public Layer {
 public:
  enum class Kind { average, sum };
  explicit GlobalPool(Kind kind) : kind_(kind) {}
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  std::string describe() const override { return kind_ == Kind::average ? "GlobalAverage" : "GlobalSum"; }

 private:
  Kind kind_;
};

}  // namespace ganymede::nets
