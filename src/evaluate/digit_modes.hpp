// Which digits, or stacks of three digits, a classifier sees in a set of pictures, and how well their shares agree with the data.
//   digits   q_i share of the samples named i; covered at q_i ≥ 1 % and ≥ 1/(4K) = 2.5 %; TV = ½Σ|q_i − p_i|, p those of the training
//            data. Argmax also names noise, so beside it: a_i counts only samples with confidence ≥ 0.9, TV_c = ½(Σ|a_i − p_i| + rejected)
//   stacks   1,000 classes, channel by channel: modes = classes hit, KL = Σ p̂ log(1000 p̂) over them (Srivastava et al. 2017, "VEEGAN";
//            Lin et al. 2018, "PacGAN", section 4.2); beside it the same over stacks whose three digits all have confidence ≥ 0.9
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ganymede::evaluate {

inline constexpr double confident = 0.9;
inline constexpr int64_t stack_classes = 1000;

struct DigitScore {
  at::Tensor shares;  // q [K] float64
  int64_t covered_at_1_percent = 0, covered_at_quarter = 0;
  double total_variation = 0;
  double rejected = 0;  // share below the confidence
  double confident_total_variation = 0;
};
/// probabilities [n,K], frequencies p [K] with sum 1. Throws Error(Fault::bug) for no samples or another K.
DigitScore digit_score(const at::Tensor& probabilities, const at::Tensor& frequencies);

/// probabilities [n,3,10] -> the classes 100a + 10b + c: int64 [n].
at::Tensor stack_class(const at::Tensor& probabilities);

struct StackScore {
  int64_t modes = 0;
  double kl = 0;
  double accepted = 0;  // share of stacks with three confident digits
  int64_t confident_modes = 0;
  double confident_kl = 0;  // NaN where none is accepted
};
/// Throws Error(Fault::bug) for no samples or another shape.
StackScore stack_score(const at::Tensor& probabilities);

}  // namespace ganymede::evaluate
