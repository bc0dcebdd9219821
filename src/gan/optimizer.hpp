// Optimizers over one flat tensor of weights, and their learning rates.
// Adam: Kingma & Ba 2015, algorithm 1, in PyTorch's form (eps beside the corrected root), fused into one pass.
// Exponential decay: lr(s) = lr·rate^(s/decay_steps), not in stairs, s = steps this network has already done.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "core/state.hpp"
#include "gan/hooks.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::gan {

struct OptimizerConfig {
  enum class Kind { adam, sgd } kind = Kind::adam;
  double lr = 2e-4;
  double beta1 = 0.5;
  double beta2 = 0.999;
  double eps = 1e-8;
  enum class Schedule { constant, exponential } schedule = Schedule::constant;
  int64_t decay_steps = 1000;
  double decay_rate = 0.95;
};
void describe(config::Fields& fields, OptimizerConfig& c);

/// The learning rate after `steps_done` optimizer steps.
double learning_rate(const OptimizerConfig& config, int64_t steps_done);

class Optimizer {
 public:
  Optimizer(const OptimizerConfig& config, FlatWeights weights);
  /// One update of the flat weights from the flat gradients, in place.
  void step();
  int64_t steps_done() const { return steps_done_; }
  void set_steps_done(int64_t steps) { steps_done_ = steps; }
  double last_learning_rate() const { return last_learning_rate_; }
  /// Adam's moments, laid out as the flat weights; undefined for SGD.
  const at::Tensor& exp_avg() const { return exp_avg_; }
  const at::Tensor& exp_avg_sq() const { return exp_avg_sq_; }

 private:
  OptimizerConfig config_;
  FlatWeights weights_;
  at::Tensor exp_avg_, exp_avg_sq_, count_;
  int64_t steps_done_ = 0;
  double last_learning_rate_ = 0;
};

}  // namespace ganymede::gan
