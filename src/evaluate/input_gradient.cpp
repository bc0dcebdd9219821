#include "evaluate/input_gradient.hpp"

#include <ATen/ops/sort.h>

#include "core/error.hpp"

namespace ganymede::evaluate {

InputGradientSummary summarize_input_gradients(const at::Tensor& norms) {
  const auto n = norms.numel();
  if (norms.dim() != 1 || n < 1) throw Error(Fault::bug, "input gradients are summarized over {} norms", n);
  const auto sorted = std::get<0>(at::sort(norms.to(at::kDouble)));
  const auto place = (99 * n + 99) / 100;  // ⌈99n/100⌉ in whole numbers, so that rounding cannot move it
  const auto above_one = (sorted > 1.0).sum().item<int64_t>();
  return {sorted[-1].item<double>(), sorted[place - 1].item<double>(), static_cast<double>(above_one) / static_cast<double>(n)};
}

}  // namespace ganymede::evaluate
