// Distances between all pairs of points, by one matrix product: ‖a−b‖² = ‖a‖² + ‖b‖² − 2a·b.
// Points are [n,F] with any further axes of a picture flattened.
#pragma once
#include <ATen/core/Tensor.h>

namespace ganymede::evaluate {

/// ‖a_i − b_j‖² as [n,m], never negative, in the type of a and b. Both are first moved by the mean of b, so that rounding goes with
/// the spread of the points and not with their distance from the origin.
/// Throws Error(Fault::bug) unless both are [·,F] with one F and one type.
at::Tensor squared_distances(const at::Tensor& a, const at::Tensor& b);

struct Nearest {
  at::Tensor index;     // [n] int64
  at::Tensor distance;  // [n] float64
};

/// The nearest of centres [K,F] for each of points [n,F], in float64 and by blocks of rows, on the device of the points.
/// A point that is not finite gets the distance NaN, and so lies within no radius.
Nearest nearest_centre(const at::Tensor& points, const at::Tensor& centres);

/// The nearest other point of the same set; `squared` is squared_distances(points, points), which picks it. Its distance is then taken
/// from the difference, in float64: of two near-duplicates the product leaves only rounding.
Nearest nearest_other(const at::Tensor& points, const at::Tensor& squared);

}  // namespace ganymede::evaluate
