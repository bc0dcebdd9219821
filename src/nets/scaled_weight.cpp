#include "nets/scaled_weight.hpp"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <cmath>

#include "nets/spectral_norm.hpp"

namespace ganymede::nets {

ScaledWeight::ScaledWeight(torch::nn::Module& layer, const std::vector<int64_t>& shape, int64_t out_axis, int64_t fan_in,
                           const WeightRule& rule)
    : rule_(rule) {
  const auto empty = at::empty(shape);
  if (rule.kind != WeightRule::Kind::spectral) {
    weight_ = layer.register_parameter("weight", empty);
    if (rule.kind == WeightRule::Kind::equalized) scale_ = rule.gain / std::sqrt(static_cast<double>(fan_in));
    return;
  }
  auto list = std::make_shared<torch::nn::Module>("ParametrizationList");
  weight_ = list->register_parameter("original", empty);
  spectral_ = list->register_module("0", std::make_shared<SpectralNorm>(shape.at(out_axis), empty.numel() / shape.at(out_axis), out_axis, rule.iterations));
  auto all = std::make_shared<torch::nn::Module>("ParametrizedModules");
  all->register_module("weight", list);
  layer.register_module("parametrizations", all);
}

at::Tensor ScaledWeight::next() {
  if (spectral_) return spectral_->apply(weight_);
  return rule_.kind == WeightRule::Kind::equalized ? weight_ * scale_ : weight_;
}

std::vector<Init> ScaledWeight::starts(const Init& weight, const std::optional<Init>& bias) const {
  const bool equalized = rule_.kind == WeightRule::Kind::equalized;
  std::vector<Init> all{equalized ? Init::normal(0.0, 1.0) : weight};
  if (bias) all.insert(spectral_ ? all.begin() : all.end(), equalized ? Init::constant(0.0) : *bias);
  return all;
}

void ScaledWeight::start(const Rng& rng, const Draw& draw, int64_t place) {
  if (spectral_) spectral_->start(weight_, rng, draw, place);
}

std::string ScaledWeight::describe() const {
  if (spectral_) return ", spectral norm";
  return rule_.kind == WeightRule::Kind::equalized ? fmt::format(", weights times {:.6g}", scale_) : "";
}

}  // namespace ganymede::nets
