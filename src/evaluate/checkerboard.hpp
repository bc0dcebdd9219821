// Checkerboard patterns, which upsampling by uneven overlap leaves (Odena et al. 2016, "Deconvolution and Checkerboard Artifacts").
// With F the discrete Fourier transform of a channel less its mean, at the frequencies of a pattern of period 2:
//   CB = (|F(½,0)|² + |F(0,½)|² + |F(½,½)|²) / Σ_{≠0} |F|²
// 1 for a checkerboard of ±1, 3/(HW − 1) in the mean for white noise. Pictures have some of it by themselves: the same figure of reals
// is its floor.
#pragma once
#include <ATen/core/Tensor.h>

namespace ganymede::evaluate {

/// images [n,C,H,W], H and W even, n > 0 -> mean over images and channels; a constant channel counts as 0.
/// Throws Error(Fault::bug) for other shapes.
double checkerboard(const at::Tensor& images);

}  // namespace ganymede::evaluate
