#include "nets/pixel_norm.hpp"

#include <ATen/ATen.h>

namespace ganymede::nets {

at::Tensor pixel_normalized(const at::Tensor& x) {
  constexpr double epsilon = 1e-8;
  return x * (x * x).mean(1, /*keepdim=*/true).add(epsilon).rsqrt();
}

at::Tensor PixelNorm::forward(const at::Tensor& x, const Pass&) {
  const auto wide = x.scalar_type() == at::kBFloat16 ? x.to(at::kFloat) : x;  // squares and their mean lose too much in bfloat16
  return pixel_normalized(wide).to(x.scalar_type());
}

}  // namespace ganymede::nets
