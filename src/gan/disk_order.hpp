// Numbers drawn in the memory order of a sample on disk (height, width, channels), as a tensor shaped like the samples.
#pragma once
#include <ATen/core/Tensor.h>

namespace ganymede::gan {

/// Numbers in one row of x, also where there is no row.
inline int64_t elements_of_row(const at::Tensor& x) {
  int64_t elements = 1;
  for (int64_t axis = 1; axis < x.dim(); ++axis) elements *= x.size(axis);
  return elements;
}

/// numbers [B, elements] -> the shape of `like`: [B,F] as it is, [B,C,H,W] and [B,C,T,H,W] channels-last.
inline at::Tensor as_pixels(const at::Tensor& numbers, const at::Tensor& like) {
  const auto s = like.sizes();
  if (like.dim() == 4) return numbers.view({s[0], s[2], s[3], s[1]}).permute({0, 3, 1, 2});
  if (like.dim() == 5) return numbers.view({s[0], s[2], s[3], s[4], s[1]}).permute({0, 4, 1, 2, 3});
  return numbers.view(s);
}

}  // namespace ganymede::gan
