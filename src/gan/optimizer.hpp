// Optimizers over one flat tensor of weights, and their learning rates.
// Adam: Kingma & Ba 2015, algorithm 1, in PyTorch's form (eps beside the corrected root), fused into one pass.
// RMSprop: Hinton 2012 (lecture 6e) in PyTorch's form: v ← αv + (1−α)g², θ ← θ − lr·g/(√v + eps).
// Learning rates, s = steps that this network (lr_counter = own) or G (g_steps) has already done, τ = (s − schedule_start)/(schedule_steps − schedule_start) within [0,1]:
//   exponential  lr·rate^(s/decay_steps), not in stairs
//   linear       end_lr + (lr − end_lr)(1 − τ)
//   step         lr while s < schedule_start, then end_lr
//   cosine       end_lr + ½(lr − end_lr)(1 + cos πτ)    (Loshchilov & Hutter 2017, "SGDR", equation 5, without restarts)
// each times min(1, (s + 1)/warmup_steps).
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>

#include "core/state.hpp"
#include "gan/hooks.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::gan {

struct OptimizerConfig {
  enum class Kind { adam, rmsprop, sgd } kind = Kind::adam;
  double lr = 2e-4;
  double beta1 = 0.5;
  double beta2 = 0.999;
  double alpha = 0.99;
  double eps = 1e-8;
  enum class Schedule { constant, exponential, linear, cosine, step } schedule = Schedule::constant;
  int64_t decay_steps = 1000;
  double decay_rate = 0.95;
  int64_t schedule_start = 0;
  std::optional<int64_t> schedule_steps;  // the network's steps in the whole run, unless given; see fix_schedule
  double end_lr = 0.0;
  int64_t warmup_steps = 0;
  enum class Counter { own, g_steps } lr_counter = Counter::own;  // what the schedule counts
};
void describe(config::Fields& fields, OptimizerConfig& c);

/// Gives linear and cosine the run's length as the network's steps, so that a longer run does not bend the curve on resume. Throws
/// Error(Fault::recipe) where nothing is left of the run after schedule_start. `section` names the optimizer in the message.
void fix_schedule(OptimizerConfig& config, int64_t steps_of_run, const std::string& section);

/// The learning rate after `steps_done` optimizer steps.
double learning_rate(const OptimizerConfig& config, int64_t steps_done);

class Optimizer {
 public:
  Optimizer(const OptimizerConfig& config, FlatWeights weights);
  /// One update of the flat weights from the flat gradients, in place. g_steps: steps that G has done; factor: of the learning rate.
  void step(int64_t g_steps = 0, double factor = 1.0);
  /// Counts a step without making one.
  void leave_out_step() { ++steps_done_; }
  int64_t steps_done() const { return steps_done_; }
  void set_steps_done(int64_t steps) { steps_done_ = steps; }
  double last_learning_rate() const { return last_learning_rate_; }
  /// Adam's moments, laid out as the flat weights; RMSprop has the second only, SGD none (undefined).
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
