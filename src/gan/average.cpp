#include "gan/average.hpp"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "config/fields.hpp"

namespace ganymede::gan {

void describe(config::Fields& fields, AverageConfig& c) {
  fields.number("decay", c.decay, "decay of the moving average of G's weights, per G step").at_least(0).below(1);
  fields.number("half_life_kimg", c.half_life_kimg, "half-life in thousands of images, in place of decay; 0 = use decay").at_least(0);
  fields.number("half_life_ramp", c.half_life_ramp, "the half-life is at most this share of the images shown so far; 0 = no ramp").at_least(0);
  fields.integer("start", c.start, "steps of G that are copied before averaging begins").at_least(0);
}

double average_decay(const AverageConfig& config, int64_t t, int64_t global_batch) {
  if (t <= config.start) return 0.0;
  const auto steps = static_cast<double>(t), batch = static_cast<double>(global_batch);
  double decay = config.decay;
  if (config.half_life_kimg > 0.0) {
    double half_life = 1000.0 * config.half_life_kimg;
    if (config.half_life_ramp > 0.0) half_life = std::min(half_life, config.half_life_ramp * batch * steps);
    decay = std::pow(0.5, batch / half_life);
  }
  return std::min(decay, (1.0 + steps) / (10.0 + steps));
}

Average::Average(const AverageConfig& config, std::shared_ptr<nets::Network> average, at::Tensor flat, std::shared_ptr<nets::Network> source,
                 at::Tensor source_flat, int64_t global_batch)
    : config_(config), global_batch_(global_batch), average_(std::move(average)), source_(std::move(source)), flat_(std::move(flat)), source_flat_(std::move(source_flat)) {
  average_->set_trainable(false);
  average_->eval();
}

void Average::reset() {
  at::NoGradGuard no_graph;
  auto mine = average_->parameters();
  const auto theirs = source_->parameters();  // all of them: untrained biases are not in the flat weights
  for (size_t i = 0; i < mine.size(); ++i) mine[i].copy_(theirs[i]);
  copy_buffers();
}

void Average::update(int64_t t) {
  at::NoGradGuard no_graph;
  flat_.lerp_(source_flat_, 1.0 - average_decay(config_, t, global_batch_));
  copy_buffers();
}

void Average::copy_buffers() {
  auto mine = average_->buffers();
  const auto theirs = source_->buffers();
  for (size_t i = 0; i < mine.size(); ++i) mine[i].copy_(theirs[i]);
}

}  // namespace ganymede::gan
