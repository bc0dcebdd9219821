#include "data/resize.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace ganymede::data {
namespace {

at::Tensor scale(const at::Tensor& images_NHWC, int64_t height, int64_t width) {
  if (images_NHWC.size(1) == height && images_NHWC.size(2) == width) return images_NHWC;
  const auto planes = images_NHWC.permute({0, 3, 1, 2}).to(at::kFloat).contiguous();
  const auto scaled = at::_upsample_bilinear2d_aa(planes, {height, width}, /*align_corners=*/false);
  return scaled.round().clamp(0, 255).to(at::kByte).permute({0, 2, 3, 1}).contiguous();
}

int64_t rounded(double value) { return std::max<int64_t>(1, std::llround(value)); }

}  // namespace

at::Tensor fit_to_square(const at::Tensor& images, int64_t size, Fit fit) {
  if (images.dim() != 4 || images.scalar_type() != at::kByte || size < 1) throw Error(Fault::bug, "fit_to_square takes uint8 [N,H,W,C] and a size");
  const int64_t height = images.size(1), width = images.size(2);
  if (fit == Fit::resize || height == width) return scale(images, size, size);
  const auto shorter = static_cast<double>(std::min(height, width)), longer = static_cast<double>(std::max(height, width));
  const double factor = static_cast<double>(size) / (fit == Fit::crop ? shorter : longer);
  const auto scaled = scale(images, rounded(static_cast<double>(height) * factor), rounded(static_cast<double>(width) * factor));
  const int64_t top = (size - scaled.size(1)) / 2, left = (size - scaled.size(2)) / 2;  // negative: cut
  if (fit == Fit::crop) return scaled.slice(1, -top, size - top).slice(2, -left, size - left).contiguous();
  auto square = at::zeros({images.size(0), size, size, images.size(3)}, at::kByte);
  square.slice(1, top, top + scaled.size(1)).slice(2, left, left + scaled.size(2)).copy_(scaled);
  return square;
}

}  // namespace ganymede::data
