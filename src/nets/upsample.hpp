// Doubling of height and width without weights, in front of a 3×3 convolution: the alternative to transposed convolutions, whose
// windows overlap unevenly where the stride does not divide the kernel. Odena et al. 2016, "Deconvolution and Checkerboard Artifacts".
#pragma once
#include "nets/layers.hpp"

namespace ganymede::nets {

/// [B,C,H,W] -> [B,C,2H,2W]: each pixel four times, or bilinear between pixel centres (align_corners false).
class Upsample final : public Layer {
 public:
  enum class Mode { nearest, bilinear };
  explicit Upsample(Mode mode) : mode_(mode) {}
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  std::string describe() const override { return mode_ == Mode::nearest ? "Upsample(nearest)" : "Upsample(bilinear)"; }

 private:
  Mode mode_;
};

}  // namespace ganymede::nets
