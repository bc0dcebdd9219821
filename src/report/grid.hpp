// Many pictures in one: rows of equal tiles on black, each with a margin, as torchvision.utils.make_grid lays them out.
// No picture is stretched to its own range: [-1, 1] means the same grey everywhere.
// Shapes: n pictures, C channels, H height, W width. One channel stays grey, three are RGB; of two the first is shown, of more
// than three the first three.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ganymede::report {

inline constexpr int64_t grid_padding = 2;

/// floor(127.5 x + 128) within 0 … 255, any shape: the inverse of v/127.5 - 1. NaN becomes 0.
at::Tensor to_bytes(const at::Tensor& x);

/// pictures: float [n,C,H,W] in [-1,1]. Returns uint8 [rows(H+2)+2, columns(W+2)+2, 1 or 3] with columns = min(per_row, n).
/// Throws Error(Fault::bug) for other shapes and for n = 0.
at::Tensor grid(const at::Tensor& pictures, int64_t per_row = 8);

/// The same from what a shard holds: uint8 [n,H,W,C].
at::Tensor grid_of_bytes(const at::Tensor& pictures, int64_t per_row = 8);

/// A grid with a label below each picture; a tile is as wide as its picture or the longest label. labels: one a picture, or none.
at::Tensor contact_sheet(const at::Tensor& pictures, const std::vector<std::string>& labels, int64_t per_row = 8);

}  // namespace ganymede::report
