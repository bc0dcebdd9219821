// What batch norm and the activation behind it compute, on the CPU, each in one pass over the values:
//   y = f((x − mean)·scale + shift),   f(v) = v > 0 ? v : slope·v.
// LibTorch's batch norm for channels-last adds up in float32, one value after another, which leaves float32 gradients five times
// further from the truth than its NCHW kernel; here sums are float64 and added in an order that depends on shapes only, so the
// number of threads changes no bit.
// x: [B,C,…] in any layout, fast where it is contiguous or channels-last; float32, float64, or bfloat16 with float32 constants.
#pragma once
#include <ATen/core/Tensor.h>

namespace ganymede::nets {

/// Constants of each channel [C], in the type of the weights, and the slope of f (1: no activation).
struct ChannelAffine {
  at::Tensor mean, scale, shift;
  double slope = 1.0;
};

/// float64 [2,C]: mean and Σ(x − mean)² of each channel; zeros where x is empty.
at::Tensor channel_moments(const at::Tensor& x);
/// f((x − mean)·scale + shift), in x's type and layout; in x itself where `in_place`.
at::Tensor normalize(const at::Tensor& x, const ChannelAffine& affine, bool in_place);
/// With g = dy·f′: float64 [2,C], Σg and Σg·(x − mean).
at::Tensor gradient_sums(const at::Tensor& dy, const at::Tensor& x, const ChannelAffine& affine);
/// scale·g − offset − factor·(x − mean), in dy itself where `in_place` (and dy lies as x does).
at::Tensor input_gradient(const at::Tensor& dy, const at::Tensor& x, const ChannelAffine& affine, const at::Tensor& offset, const at::Tensor& factor,
                          bool in_place);
/// dy·f′ by the sign of y = f(x), in dy itself where `in_place`.
at::Tensor activation_gradient(const at::Tensor& dy, const at::Tensor& y, double slope, bool in_place);
/// The same where only y > 0 was kept, as bool.
at::Tensor gradient_by_sign(const at::Tensor& dy, const at::Tensor& is_positive, double slope, bool in_place);

}  // namespace ganymede::nets
