#include "gan/optimizer.hpp"

#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

#include "config/fields.hpp"

namespace ganymede::gan {

void describe(config::Fields& fields, OptimizerConfig& c) {
  using Kind = OptimizerConfig::Kind;
  using Schedule = OptimizerConfig::Schedule;
  fields.choice("kind", c.kind, {{"adam", Kind::adam}, {"sgd", Kind::sgd}}, "update rule");
  fields.number("lr", c.lr, "learning rate at the start").above(0);
  fields.number("beta1", c.beta1, "adam: decay of the first moment").at_least(0).below(1);
  fields.number("beta2", c.beta2, "adam: decay of the second moment").at_least(0).below(1);
  fields.number("eps", c.eps, "adam: added to the root").above(0);
  fields.choice("schedule", c.schedule, {{"constant", Schedule::constant}, {"exponential", Schedule::exponential}}, "learning rate over steps");
  fields.integer("decay_steps", c.decay_steps, "exponential: steps of this network per factor decay_rate").at_least(1);
  fields.number("decay_rate", c.decay_rate, "exponential: the factor").above(0).at_most(1);
}

double learning_rate(const OptimizerConfig& config, int64_t steps_done) {
  if (config.schedule == OptimizerConfig::Schedule::constant) return config.lr;
  return config.lr * std::pow(config.decay_rate, static_cast<double>(steps_done) / static_cast<double>(config.decay_steps));
}

Optimizer::Optimizer(const OptimizerConfig& config, FlatWeights weights) : config_(config), weights_(std::move(weights)) {
  if (config_.kind != OptimizerConfig::Kind::adam) return;
  exp_avg_ = at::zeros_like(weights_.parameters);
  exp_avg_sq_ = at::zeros_like(weights_.parameters);
  count_ = at::empty({}, at::kFloat);
}

void Optimizer::step() {
  at::NoGradGuard no_graph;
  last_learning_rate_ = learning_rate(config_, steps_done_);
  ++steps_done_;
  if (config_.kind == OptimizerConfig::Kind::sgd) {
    weights_.parameters.add_(weights_.gradients, -last_learning_rate_);
    return;
  }
  count_.fill_(static_cast<double>(steps_done_));  // the fused kernel takes t, counted from 1
  at::_fused_adam_({weights_.parameters}, {weights_.gradients}, {exp_avg_}, {exp_avg_sq_}, {}, {count_}, last_learning_rate_, config_.beta1,
                   config_.beta2, /*weight_decay=*/0.0, config_.eps, /*amsgrad=*/false, /*maximize=*/false);
}

}  // namespace ganymede::gan
