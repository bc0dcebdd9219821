#include "evaluate/checkerboard.hpp"

#include <ATen/ATen.h>

#include "core/error.hpp"

namespace ganymede::evaluate {

double checkerboard(const at::Tensor& images) {
  if (images.dim() != 4 || images.size(0) == 0 || images.size(2) % 2 != 0 || images.size(3) % 2 != 0)
    throw Error(Fault::bug, "checkerboards are looked for in images [n,C,H,W] of even height and width");
  const auto x = images.to(at::kDouble);
  const auto centred = x - x.mean({2, 3}, /*keepdim=*/true);
  const int64_t height = x.size(2), width = x.size(3);
  // A frequency of ½ changes the sign from one pixel to the next: plain sums, no transform. The energy is Parseval's.
  const auto sign = [](int64_t n) { return 1.0 - 2.0 * at::arange(n, at::kDouble).remainder(2.0); };
  const auto down = sign(height).view({height, 1}), across = sign(width);
  const auto energy_at = [&](const at::Tensor& wave) { return (centred * wave).sum({2, 3}).square(); };
  const auto found = energy_at(down) + energy_at(across) + energy_at(down * across);
  const auto all = centred.square().sum({2, 3}) * static_cast<double>(height * width);
  const auto is_flat = all <= 1e-20 * x.square().sum({2, 3}) * static_cast<double>(height * width);
  return at::where(is_flat, at::zeros_like(all), found / all).mean().item<double>();
}

}  // namespace ganymede::evaluate
