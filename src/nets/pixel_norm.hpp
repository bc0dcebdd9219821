// Pixelwise feature normalization: y = x/√(mean over channels of x² + 1e-8) at each pixel, without parameters, behind the
// activation of a generator. Karras et al. 2018, "Progressive Growing of GANs", section 4.2.
#pragma once
#include "nets/layers.hpp"

namespace ganymede::nets {

/// Of each row and pixel, over axis 1. x in float32 or float64.
at::Tensor pixel_normalized(const at::Tensor& x);

/// [B,C,H,W] or [B,C] -> same.
class PixelNorm final : public Layer {
 public:
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  std::string describe() const override { return "PixelNorm"; }
};

}  // namespace ganymede::nets
