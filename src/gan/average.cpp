#include "gan/average.hpp"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "config/fields.hpp"

namespace ganymede::gan {

void describe(config::Fields& fields, AverageConfig& c) {
  fields.number("decay", c.decay, "decay of the moving average of G's weights, per G step").at_least(0).below(1);
}

double average_decay(const AverageConfig& config, int64_t t) {
  return std::min(config.decay, (1.0 + static_cast<double>(t)) / (10.0 + static_cast<double>(t)));
}

Average::Average(const AverageConfig& config, std::shared_ptr<nets::Network> average, at::Tensor flat, std::shared_ptr<nets::Network> source,
                 at::Tensor source_flat)
    : config_(config), average_(std::move(average)), source_(std::move(source)), flat_(std::move(flat)), source_flat_(std::move(source_flat)) {
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
  flat_.lerp_(source_flat_, 1.0 - average_decay(config_, t));
  copy_buffers();
}

void Average::copy_buffers() {
  auto mine = average_->buffers();
  const auto theirs = source_->buffers();
  for (size_t i = 0; i < mine.size(); ++i) mine[i].copy_(theirs[i]);
}

}  // namespace ganymede::gan
