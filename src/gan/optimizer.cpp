#include "gan/optimizer.hpp"

#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "config/fields.hpp"
#include "core/error.hpp"

namespace ganymede::gan {

void describe(config::Fields& fields, OptimizerConfig& c) {
  using Kind = OptimizerConfig::Kind;
  using Schedule = OptimizerConfig::Schedule;
  fields.choice("kind", c.kind, {{"adam", Kind::adam}, {"rmsprop", Kind::rmsprop}, {"sgd", Kind::sgd}}, "update rule");
  fields.number("lr", c.lr, "learning rate at the start").above(0);
  fields.number("beta1", c.beta1, "adam: decay of the first moment").at_least(0).below(1);
  fields.number("beta2", c.beta2, "adam: decay of the second moment").at_least(0).below(1);
  fields.number("alpha", c.alpha, "rmsprop: decay of the squared gradient").at_least(0).below(1);
  fields.number("eps", c.eps, "adam, rmsprop: added to the root").above(0);
  fields.choice("schedule", c.schedule,
                {{"constant", Schedule::constant},
                 {"exponential", Schedule::exponential},
                 {"linear", Schedule::linear},
                 {"cosine", Schedule::cosine},
                 {"step", Schedule::step}},
                "learning rate over steps");
  fields.integer("decay_steps", c.decay_steps, "exponential: steps of this network per factor decay_rate").at_least(1);
  fields.number("decay_rate", c.decay_rate, "exponential: the factor").above(0).at_most(1);
  fields.integer("schedule_start", c.schedule_start, "linear, cosine, step: steps of this network before the rate changes").at_least(0);
  fields.integer("schedule_steps", c.schedule_steps, "linear, cosine: steps of this network until end_lr; the whole run unless set").at_least(1);
  fields.number("end_lr", c.end_lr, "linear, cosine, step: learning rate at the end").at_least(0);
  fields.integer("warmup_steps", c.warmup_steps, "steps over which the rate rises from 0").at_least(0);
  fields.choice("lr_counter", c.lr_counter, {{"own", OptimizerConfig::Counter::own}, {"g_steps", OptimizerConfig::Counter::g_steps}},
                "steps that the schedule counts: this network's, or G's");
}

void fix_schedule(OptimizerConfig& config, int64_t steps_of_run, const std::string& section) {
  using Schedule = OptimizerConfig::Schedule;
  if (config.schedule != Schedule::linear && config.schedule != Schedule::cosine) return;
  if (!config.schedule_steps) config.schedule_steps = steps_of_run;
  if (*config.schedule_steps <= config.schedule_start)
    throw Error(Fault::recipe, "{}.schedule_start = {} leaves nothing of the {} steps over which the learning rate falls", section, config.schedule_start,
                *config.schedule_steps)
        .remedy("lower it, or raise {}.schedule_steps", section);
  if (config.end_lr > config.lr)
    throw Error(Fault::recipe, "{}.end_lr = {} is above lr = {}", section, config.end_lr, config.lr).remedy("lower end_lr");
}

double learning_rate(const OptimizerConfig& config, int64_t steps_done) {
  using Schedule = OptimizerConfig::Schedule;
  const auto done = static_cast<double>(steps_done);
  double lr = config.lr;
  if (config.schedule == Schedule::exponential) lr *= std::pow(config.decay_rate, done / static_cast<double>(config.decay_steps));
  if (config.schedule == Schedule::step && steps_done >= config.schedule_start) lr = config.end_lr;
  if (config.schedule == Schedule::linear || config.schedule == Schedule::cosine) {
    const auto start = static_cast<double>(config.schedule_start);
    const double t = std::clamp((done - start) / (static_cast<double>(config.schedule_steps.value()) - start), 0.0, 1.0);
    const double left = config.schedule == Schedule::linear ? 1.0 - t : 0.5 * (1.0 + std::cos(std::numbers::pi * t));
    lr = config.end_lr + (config.lr - config.end_lr) * left;
  }
  return config.warmup_steps > 0 ? lr * std::min(1.0, (done + 1.0) / static_cast<double>(config.warmup_steps)) : lr;
}

Optimizer::Optimizer(const OptimizerConfig& config, FlatWeights weights) : config_(config), weights_(std::move(weights)) {
  if (config_.kind == OptimizerConfig::Kind::sgd) return;
  exp_avg_sq_ = at::zeros_like(weights_.parameters);
  if (config_.kind != OptimizerConfig::Kind::adam) return;
  exp_avg_ = at::zeros_like(weights_.parameters);
  count_ = at::empty({}, at::kFloat);
}

void Optimizer::step(int64_t g_steps, double factor) {
  at::NoGradGuard no_graph;
  last_learning_rate_ = factor * learning_rate(config_, config_.lr_counter == OptimizerConfig::Counter::own ? steps_done_ : g_steps);
  ++steps_done_;
  if (config_.kind == OptimizerConfig::Kind::sgd) {
    weights_.parameters.add_(weights_.gradients, -last_learning_rate_);
    return;
  }
  if (config_.kind == OptimizerConfig::Kind::rmsprop) {
    exp_avg_sq_.mul_(config_.alpha).addcmul_(weights_.gradients, weights_.gradients, 1.0 - config_.alpha);
    weights_.parameters.addcdiv_(weights_.gradients, exp_avg_sq_.sqrt().add_(config_.eps), -last_learning_rate_);
    return;
  }
  count_.fill_(static_cast<double>(steps_done_));  // the fused kernel takes t, counted from 1
  at::_fused_adam_({weights_.parameters}, {weights_.gradients}, {exp_avg_}, {exp_avg_sq_}, {}, {count_}, last_learning_rate_, config_.beta1,
                   config_.beta2, /*weight_decay=*/0.0, config_.eps, /*amsgrad=*/false, /*maximize=*/false);
}

}  // namespace ganymede::gan
