// Bringing images to the square size that a network makes.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ganymede::data {

enum class Fit {
  crop,    // keep the aspect, fill the square, cut what sticks out
  pad,     // keep the aspect, fit inside, black around
  resize,  // stretch
};

/// images: uint8 [N,H,W,C] -> uint8 [N,size,size,C]. Antialiased bilinear, computed in float32 and rounded to the nearest:
/// a shrinking image is averaged, not sampled. The three fits agree on square images.
at::Tensor fit_to_square(const at::Tensor& images, int64_t size, Fit fit);

}  // namespace ganymede::data
