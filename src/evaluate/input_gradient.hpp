// Is D smooth where it matters: its gradient with respect to the input should stay near or below 1 at every point, not on average.
// Norms s_i = ‖∂ℓ(x_i)/∂x_i‖₂ come in, at reals, fakes or points between them; a summary of each set goes out.
#pragma once
#include <ATen/core/Tensor.h>

namespace ganymede::evaluate {

struct InputGradientSummary {
  double largest;
  double percentile_99;    // the ⌈0.99n⌉-th smallest
  double share_above_one;
};

/// norms [n], all ranks' together; float64 inside. Throws Error(Fault::bug) without norms.
InputGradientSummary summarize_input_gradients(const at::Tensor& norms);

}  // namespace ganymede::evaluate
