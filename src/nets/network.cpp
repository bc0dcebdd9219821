#include "nets/network.hpp"

#include <ATen/ATen.h>

#include "nets/block.hpp"

namespace ganymede::nets {

// Batch norm and activation are computed together with the layer behind them (block.hpp).
at::Tensor Network::forward(const at::Tensor& x) {
  auto y = x;
  for (size_t i = 0; i < layers_.size();) {
    size_t next = i;
    auto* norm = dynamic_cast<BatchNorm*>(layers_[next].get());
    if (norm) ++next;
    const auto* activation = next < layers_.size() ? dynamic_cast<const LeakyReLU*>(layers_[next].get()) : nullptr;
    if (activation) ++next;
    if (next == i) {
      y = layers_[i++]->forward(y);
      continue;
    }
    const auto* map = next < layers_.size() ? layers_[next]->linear_map() : nullptr;
    if (map) ++next;
    const bool owns_input = i > 0;  // made by the layer before
    if (norm)
      y = run_block(y, norm->prepare(y), activation ? activation->slope() : 1.0, map, owns_input);
    else if (map)
      y = run_block(y, std::nullopt, activation->slope(), map, owns_input);
    else
      y = layers_[i]->forward(y);
    i = next;
  }
  return y;
}

void Network::initialize(const Rng& rng, int64_t index) {
  at::NoGradGuard no_graph;
  int64_t place = 0;
  for (const auto& layer : layers_) {
    const auto initial = layer->initial();
    const auto parameters = layer->parameters(/*recurse=*/false);
    for (size_t i = 0; i < parameters.size(); ++i, ++place) {
      auto parameter = parameters[i];
      const Init& init = initial.at(i);
      const Draw draw{Purpose::init, 0, index};
      const int64_t count = parameter.numel();
      if (init.kind == Init::Kind::constant)
        parameter.fill_(init.a);
      else if (init.kind == Init::Kind::normal)
        parameter.copy_(rng.normal(draw, place, 1, count).mul_(init.b).add_(init.a).view(parameter.sizes()));
      else
        parameter.copy_(rng.uniform(draw, place, 1, count).mul_(init.b - init.a).add_(init.a).view(parameter.sizes()));
    }
  }
}

void Network::share_statistics(BatchStatistics* statistics) {
  for (const auto& layer : layers_)
    if (auto* norm = dynamic_cast<BatchNorm*>(layer.get())) norm->share_statistics(statistics);
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
