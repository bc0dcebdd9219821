// What augmentations are built from: numbers of a sample that meet its picture, and pixels fetched from other places. Everything
// is linear in the picture and made of ATen's operators, so it can be differentiated as often as a penalty asks.
// Shapes: B samples, C channels, H and W sides; a video's T frames stand before H.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

namespace ganymede::gan {

/// Uniform numbers in (0,1) for the rows of a batch: `elements` of them from draw number `j`, float64 [B, elements] on the CPU.
/// Who binds it knows the places of the rows, the step and the pass; an augmentation only tells its own draws apart.
using RowUniforms = std::function<at::Tensor(int64_t elements, int64_t j)>;

/// One number a sample, [B] or [B,1] on the CPU, in the type and on the device of x and shaped to broadcast against it.
at::Tensor per_sample(const at::Tensor& values, const at::Tensor& x);

/// Pixel (r,c) of each picture becomes the one that `index` [B,H,W] (int64, on x's device) numbers, row · W + column: the same for
/// all channels and frames. Keeps the memory format. Gather, not at::grid_sampler: that one has no second derivative before LibTorch 2.13.
at::Tensor take_pixels(const at::Tensor& x, const at::Tensor& index);

}  // namespace ganymede::gan
