// Points as a picture: dots on white in a fixed box, so that pictures of one run can be compared and laid over each other.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ganymede::report {

inline constexpr int64_t scatter_side = 512;  // pixels

/// Half of the side of a box that holds `points` with room around: 1, 1.5, 2, 3, 5 or 7 times a power of ten.
double box_for(const at::Tensor& points);

/// points: float [n,F]; the first two coordinates are shown (F = 1: at height 0), x to the right, y upwards, the origin in the
/// middle. What is outside the box sits on its edge, NaN is left out. Returns uint8 [512,512,1]: axes light, dots dark.
at::Tensor scatter(const at::Tensor& points, double half_side);

}  // namespace ganymede::report
