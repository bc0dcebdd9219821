// What a training step's convolutions and matrix products would need if each ran alone at its best: what is left of the step is the
// rest's (activations, norms, optimizers, copies, waits), and what they need more inside the step is caches lost and cores shared.
#pragma once
#include <ATen/core/ivalue.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ganymede::bench {

/// All calls of one operator with inputs of the same shapes, strides and types.
struct KernelCalls {
  std::string kind;    // "convolution", "convolution backward" or "matrix product"
  std::string name;    // of the operator, with its overload: "aten::mm.out"
  std::string inputs;  // "[64,128,16,16] [64,128,4,4]", for the eye
  int64_t count = 0;
  double in_step_ms = 0;  // all of them, as they ran in the recorded step (with what recording costs)
  double alone_ms = 0;    // all of them, each at its best of several runs
};

struct KindOfKernel {
  std::string kind;
  int64_t count = 0;
  double in_step_ms = 0, alone_ms = 0;
};

/// Runs `step` once and notes its convolutions and matrix products of this thread (LibTorch runs a CPU's backward on the thread that calls
/// it), down to the innermost call: under autocast the one with bfloat16 inputs. Then runs each alone, on new tensors of the same form.
std::vector<KernelCalls> time_kernels(const std::function<void()>& step);
/// Sums by kind, in the order of the list above; kinds that never ran are left out.
std::vector<KindOfKernel> by_kind(const std::vector<KernelCalls>& calls);

}  // namespace ganymede::bench
