#include "nets/network.hpp"

#include <ATen/ATen.h>

#include "nets/block.hpp"

namespace ganymede::nets {
namespace {

// A few rows at a time: the float64 numbers of a whole weight would be twice its size.
void draw_parameter(const Rng& rng, const Draw& draw, int64_t place, const Init& init, at::Tensor parameter) {
  if (init.kind == Init::Kind::constant) {
    parameter.fill_(init.a);
    return;
  }
  constexpr int64_t at_once = 1 << 17, elements_a_block = 4;
  const int64_t rows = parameter.size(0), row = parameter.numel() / rows;
  const int64_t step = std::max<int64_t>(1, at_once / row / elements_a_block) * elements_a_block;
  for (int64_t first = 0; first < rows; first += step) {
    const int64_t count = std::min(step, rows - first);
    auto part = parameter.narrow(0, first, count);
    const auto numbers = init.kind == Init::Kind::normal ? rng.normal(draw, place, 1, count * row, first * row).mul_(init.b).add_(init.a)
                                                         : rng.uniform(draw, place, 1, count * row, first * row).mul_(init.b - init.a).add_(init.a);
    part.copy_(numbers.view(part.sizes()));
  }
}

}  // namespace

// Batch norm and activation are computed together with the layer behind them (block.hpp), unless the values between are asked for.
at::Tensor Network::forward(const at::Tensor& x, const Pass& pass) {
  auto y = x;
  const auto wanted = static_cast<size_t>(pass.capture_layer);  // -1: beyond every layer
  const auto may_go_on = [&](size_t next) { return next < layers_.size() && next != wanted + 1; };
  for (size_t i = 0; i < layers_.size();) {
    size_t next = i;
    auto* norm = dynamic_cast<BatchNorm*>(layers_[next].get());
    if (norm) ++next;
    const auto* activation = may_go_on(next) ? dynamic_cast<const LeakyReLU*>(layers_[next].get()) : nullptr;
    if (activation) ++next;
    if (next == i) {
      y = layers_[i++]->forward(y, pass);
    } else {
      const auto map = may_go_on(next) ? layers_[next]->linear_map() : std::nullopt;
      if (map) ++next;
      if (i == wanted + 1) y = y.clone();  // what was captured must not be overwritten
      const bool owns_input = i > 0;       // made by the layer before
      if (norm)
        y = run_block(y, norm->prepare(y), activation ? activation->slope() : 1.0, map ? &*map : nullptr, owns_input);
      else if (map)
        y = run_block(y, std::nullopt, activation->slope(), &*map, owns_input);
      else
        y = layers_[i]->forward(y, pass);
      i = next;
    }
    if (i == wanted + 1) *pass.captured = y;
  }
  return y;
}

void Network::initialize(const Rng& rng, int64_t index) {
  at::NoGradGuard no_graph;
  int64_t place = 0;
  for (const auto& layer : layers_) {
    const auto initial = layer->initial();
    const auto parameters = layer->parameters(/*recurse=*/false);
    for (size_t i = 0; i < parameters.size(); ++i, ++place) draw_parameter(rng, Draw{Purpose::init, 0, index}, place, initial.at(i), parameters[i]);
  }
}

void Network::share_statistics(BatchStatistics* statistics, bool with_batch_norm) {
  for (const auto& layer : layers_)
    if (with_batch_norm || !dynamic_cast<BatchNorm*>(layer.get())) layer->share_statistics(statistics);
}

void Network::set_trainable(bool trainable) {
  if (trainable) {
    for (auto& parameter : locked_) parameter.requires_grad_(true);
    locked_.clear();
  } else if (locked_.empty()) {
    for (auto& [name, parameter] : trained_parameters()) {
      parameter.requires_grad_(false);
      locked_.push_back(parameter);
    }
  }
}

std::vector<std::pair<std::string, at::Tensor>> Network::trained_parameters() const {
  std::vector<std::pair<std::string, at::Tensor>> trained;
  for (const auto& item : named_parameters())
    if (item.value().requires_grad()) trained.emplace_back(item.key(), item.value());
  return trained;
}

int64_t Network::parameter_count() const {
  int64_t count = 0;
  for (const auto& parameter : parameters()) count += parameter.numel();
  return count;
}

std::vector<std::string> Network::describe() const {
  std::vector<std::string> lines;
  for (const auto& layer : layers_) lines.push_back(layer->describe());
  return lines;
}

}  // namespace ganymede::nets
