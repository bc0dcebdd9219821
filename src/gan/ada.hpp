// Adaptive discriminator augmentation: the probability p of the transforms follows D's overfitting, seen as the share of (augmented)
// reals that D calls real. Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", section 3.1.
//   every 4 D steps: r = mean sign ℓ_real over those steps;  p ← clamp(p + sign(r − target) · 4N/(1000·kimg), 0, 1)
// N is the global batch. p and the counts under way are state ("tricks/ada" of a run's State): a run goes on where it stopped.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "core/state.hpp"
#include "gan/ada_transforms.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::gan {

struct AdaConfig {
  bool on = false;
  double target = 0.6;  // of r, in (−1,1)
  double kimg = 500;    // thousands of reals until p has gone from 0 to 1
  AdaMultipliers multipliers;
};
void describe(config::Fields& fields, AdaConfig& c);

/// {positive, negative, all} logits of these rows, int64 [3] on the device of the logits: the form in which ranks add them.
at::Tensor sign_counts(const at::Tensor& logits);

class AdaController {
 public:
  static constexpr int64_t steps_per_update = 4;

  AdaController(const AdaConfig& config, int64_t global_batch);

  /// Once per D step, with the counts of the global batch (sign_counts, summed over ranks).
  /// Throws Error(Fault::bug) for counts that no batch has.
  void observe(int64_t positive, int64_t negative, int64_t all);

  double p() const { return p_; }
  /// r of the last update, 0 before the first.
  double overfitting() const { return r_; }

  void save(State& state) const;
  /// Throws Error(Fault::bad_data) where the state lacks a value, or holds one that no controller has.
  void load(const State& state);

 private:
  double target_, change_;  // of p, per update
  double p_ = 0, r_ = 0;
  int64_t steps_ = 0, signs_ = 0, count_ = 0;  // since the last update
};

}  // namespace ganymede::gan
