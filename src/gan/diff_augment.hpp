// DiffAugment: the same kind of random, differentiable change on everything that D sees, so that D cannot learn few reals by heart
// and G does not learn the change. Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training".
// Shapes: [B,C,H,W] pictures, or [B,C,T,H,W] video, all frames of which change alike. Always in this order:
//   color        x + U(−½,½); then around the mean over channels of each pixel · U(0,2); then around the mean of the picture · U(½,1½)
//   translation  moved by whole pixels, uniform in ±⌊side/8⌋ along each axis; what comes in is 0
//   cutout       a rectangle of ⌊side/2⌋ set to 0, its centre uniform over 0…side (odd ⌊side/2⌋: 0…side−1), clipped at the borders
// Draws, u in (0,1):
//   j = 0  color: elements 0 brightness u−½, 1 saturation 2u, 2 contrast ½+u
//   j = 1  translation: elements 0 rows, 1 columns: ⌊u·(2s+1)⌋ − s with s = ⌊side/8⌋, positive is down and right
//   j = 2  cutout: elements 0 row, 1 column of the centre: ⌊u·(side+1)⌋, or ⌊u·side⌋; the rectangle begins ⌊⌊side/2⌋/2⌋ before it
#pragma once
#include <ATen/core/Tensor.h>

#include <string>

#include "gan/pixels.hpp"

namespace ganymede::gan {

struct AugmentPolicy {
  bool color = false, translation = false, cutout = false;
  bool is_empty() const { return !color && !translation && !cutout; }
};

/// "color,translation,cutout", any of them in any order; "" is none. Throws Error(Fault::recipe) for other words.
AugmentPolicy parse_policy(const std::string& text);

/// Throws Error(Fault::recipe) for batches of this shape that the policy cannot change: points, cutout on video, sides below 8.
void check_shape(const AugmentPolicy& policy, at::IntArrayRef sizes);

/// A pure function of x and the draws, twice differentiable in x; an empty policy gives x itself. Throws as check_shape does.
at::Tensor diff_augment(const at::Tensor& x, const AugmentPolicy& policy, const RowUniforms& draw);

}  // namespace ganymede::gan
