// The augmentations whose probability follows D's overfitting. Karras et al. 2020, "Training Generative Adversarial Networks with
// Limited Data", appendix B; all parameters are theirs, but the resampling is bilinear where they low-pass with a wavelet.
// Each acts on a sample with probability min(1, p · its multiplier); those that act are composed, in the order of the list, into
// one map of places and one of colors per sample. n0, n1 are the normals that u1, u2 give: √(−2 ln u1) · (cos, sin) 2π·u2.
//   draw  transform       element 0 decides (u < probability); the others
//   j = 3  x_flip          1: a fair coin, mirrored if u < ½, so that p = 1 flips half of the samples
//   j = 4  turns           1: ⌊4u⌋ quarter turns
//   j = 5  integer_shifts  1 rows, 2 columns: the picture moves by (2u−1)/8 of its side, rounded to whole pixels (half to even)
//   j = 6  scale           1, 2: content grows by 2^(0.2·n0)
//   j = 7  rotation        two rotations by π·(2u−1), before the stretch (0 decides, 1 angle) and after it (2 decides, 3 angle), each
//                          with probability 1 − √(1 − min(1, p·multiplier)), so that one or both act with the probability asked for
//   j = 8  stretch         1, 2: columns by s = 2^(0.2·n0), rows by 1/s
//   j = 9  shift           1, 2: rows by 0.125·n0 of the height, columns by 0.125·n1 of the width
//   j = 10 brightness      1, 2: + 0.2·n0
//   j = 11 contrast        1, 2: · 2^(0.5·n0), around 0
//   j = 12 luma_flip       1: a fair coin, the luma changes sign if u < ½
//   j = 13 hue             1: rotation by π·(2u−1) around the luma axis (1,1,1)/√3
//   j = 14 saturation      1, 2: what is off the luma axis · 2^n0
// A grey picture knows brightness, contrast and luma flip (x → −x) only.
// Shapes: B samples, C channels, H and W sides, pixels in [−1,1]. Everything is linear in x: twice differentiable.
#pragma once
#include <ATen/core/Tensor.h>

#include "gan/pixels.hpp"

namespace ganymede::gan {

/// What p is multiplied with, per transform. Flips and turns leak into the samples of G where reals have neither, as digits.
struct AdaMultipliers {
  double x_flip = 0, turns = 0, integer_shifts = 1;
  double scale = 1, rotation = 1, stretch = 1, shift = 1;
  double brightness = 1, contrast = 1, luma_flip = 1, hue = 1, saturation = 1;

  bool any_geometry() const { return x_flip + turns + integer_shifts + scale + rotation + stretch + shift > 0; }
  bool any_color() const { return brightness + contrast + luma_flip + hue + saturation > 0; }
};

/// Throws Error(Fault::recipe) for batches of this shape that cannot be changed: points, video, colors of other than 1 or 3 channels.
void check_shape(const AdaMultipliers& multipliers, at::IntArrayRef sizes);

/// x [B,C,H,W] changed with probability p: places first, then colors; p = 0 gives x itself. Throws as check_shape does.
at::Tensor ada_transform(const at::Tensor& x, double p, const AdaMultipliers& multipliers, const RowUniforms& draw);

/// The parts of it. A map of places is a 2x3 affine [B,2,3] (float64, CPU) that takes the (column, row) of a pixel of the result,
/// counted from the middle of the picture, to the place in x; a map of colors a 3x4 [B,3,4] on RGB (the last column is added),
/// of a grey picture a 1x2 [B,1,2].
at::Tensor ada_places(int64_t rows, int64_t height, int64_t width, double p, const AdaMultipliers& multipliers, const RowUniforms& draw);
at::Tensor ada_colors(int64_t rows, int64_t channels, double p, const AdaMultipliers& multipliers, const RowUniforms& draw);
/// Bilinear between the four pixels around a place; places outside are reflected at the border.
at::Tensor resample(const at::Tensor& x, const at::Tensor& places);
at::Tensor recolor(const at::Tensor& x, const at::Tensor& colors);

}  // namespace ganymede::gan
