#include "nets/network.hpp"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.hpp"
#include "nets/block.hpp"
#include "nets/conditional_norm.hpp"
#include "nets/virtual_batch_norm.hpp"

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
at::Tensor Network::run_layers(const at::Tensor& x, const Pass& pass) {
  auto y = x;
  const auto wanted = static_cast<size_t>(pass.capture_layer);  // -1: beyond every layer
  for (size_t i = 0; i < layers_.size();) {
    const auto may_go_on = [&](size_t next) { return next < layers_.size() && (next == i || next != wanted + 1); };
    size_t next = i;
    auto* norm = dynamic_cast<BatchNorm*>(layers_[next].get());
    if (norm) ++next;
    const auto* activation = may_go_on(next) ? dynamic_cast<const LeakyReLU*>(layers_[next].get()) : nullptr;
    if (activation) ++next;
    // The caller's x and what was captured must not be overwritten, nor another view of them (a layer may hand on its input).
    const bool owns_input = !y.is_alias_of(x) && !(pass.captured && pass.captured->defined() && y.is_alias_of(*pass.captured));
    if (next == i) {
      if (!owns_input && layers_[i]->is_in_place()) y = y.clone();
      y = layers_[i++]->forward(y, pass);
    } else {
      const auto map = may_go_on(next) ? layers_[next]->linear_map() : std::nullopt;
      if (map) ++next;
      if (!norm && !owns_input) y = y.clone();
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

at::Tensor Network::forward(const at::Tensor& x, const Pass& pass) {
  if (!needs_reference()) return run_layers(x, pass);
  if (!has_reference()) throw Error(Fault::bug, "the {} has virtual batch norm and no reference batch", name_);
  const int64_t live = x.size(0), rows = reference_.size(0);
  auto with_reference = pass;
  if (pass.ranges.empty()) with_reference.ranges = {RowRange{Source::d_real, live, 0, live, {}, {}}};
  with_reference.ranges.push_back(RowRange{Source::reference, rows, 0, rows, {}, {}});
  if (pass.labels.defined()) with_reference.labels = at::cat({pass.labels, at::zeros({rows}, pass.labels.options())});
  at::Tensor captured;
  if (pass.captured) with_reference.captured = &captured;
  const auto reference = reference_.to(x.scalar_type());
  const auto y = run_layers(at::cat({x, reference.contiguous(x.suggest_memory_format())}), with_reference);
  if (captured.defined()) *pass.captured = captured.narrow(0, 0, live);
  return y.narrow(0, 0, live);
}

bool Network::needs_reference() const {
  return std::any_of(layers_.begin(), layers_.end(), [](const auto& layer) { return dynamic_cast<const VirtualBatchNorm*>(layer.get()); });
}

void Network::reserve_reference(at::IntArrayRef sizes) {
  reference_ = register_buffer("reference", at::zeros(sizes, parameters().front().options().requires_grad(false)));
  has_reference_ = register_buffer("has_reference", at::zeros({}, at::kLong));
}

bool Network::has_reference() const { return has_reference_.defined() && has_reference_.item<int64_t>() != 0; }

void Network::set_reference(const at::Tensor& rows) {
  if (!reference_.defined()) throw Error(Fault::bug, "the {} has no room for a reference batch", name_);
  if (rows.sizes() != reference_.sizes())
    throw Error(Fault::bug, "a reference batch of shape [{}] for the {}, which has room for [{}]", fmt::join(rows.sizes(), ", "), name_,
                fmt::join(reference_.sizes(), ", "));
  at::NoGradGuard no_graph;
  reference_.copy_(rows);
  has_reference_.fill_(1);
}

void Network::forget_reference() {
  if (has_reference_.defined()) has_reference_.zero_();
}

void Network::initialize(const Rng& rng, int64_t index) {
  at::NoGradGuard no_graph;
  const Draw draw{Purpose::init, 0, index};
  int64_t place = 0;
  for (const auto& layer : layers_) {
    const auto initial = layer->initial();
    const auto parameters = layer->parameters();
    for (size_t i = 0; i < parameters.size(); ++i, ++place) draw_parameter(rng, draw, place, initial.at(i), parameters[i]);
  }
  // Behind the places of all parameters: two for each layer.
  for (size_t i = 0; i < layers_.size(); ++i) layers_[i]->start(rng, draw, place + 2 * static_cast<int64_t>(i));
}

void Network::share_statistics(BatchStatistics* statistics, bool with_batch_norm) {
  for (const auto& layer : layers_) {
    const bool is_batch_norm = dynamic_cast<BatchNorm*>(layer.get()) || dynamic_cast<ConditionalBatchNorm*>(layer.get());
    if (with_batch_norm || !is_batch_norm) layer->share_statistics(statistics);
  }
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

void Network::freeze(int64_t layers) {
  for (const auto& layer : layers_) {
    if (layers <= 0) return;
    const auto parameters = layer->parameters();
    for (auto parameter : parameters) parameter.requires_grad_(false);
    if (!parameters.empty()) --layers;
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
