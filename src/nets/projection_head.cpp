#include "nets/projection_head.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>

#include "core/error.hpp"

namespace ganymede::nets {
namespace {

// The gain of equalized weights is for layers: a row of the embedding is looked up, not summed over.
WeightRule for_embedding(const WeightRule& rule) { return rule.kind == WeightRule::Kind::spectral ? rule : WeightRule{}; }

}  // namespace

ProjectionHead::ProjectionHead(int64_t features, int64_t classes, Linear::Start start, const WeightRule& rule)
    : features_(features), classes_(classes), start_(start), is_spectral_(rule.kind == WeightRule::Kind::spectral),
      embedding_(register_module("embedding", std::make_shared<torch::nn::Module>("Embedding"))),
      embedded_(*embedding_, {classes, features}, 0, features, for_embedding(rule)), weight_(*this, {1, features}, 0, features, rule),
      bias_(register_parameter("bias", at::empty({1}))) {}

at::Tensor ProjectionHead::forward(const at::Tensor& h, const Pass& pass) {
  if (!pass.labels.defined() || pass.labels.size(0) != h.size(0))
    throw Error(Fault::bug, "a projection discriminator got {} samples and {} classes", h.size(0),
                pass.labels.defined() ? pass.labels.size(0) : 0);
  const auto weight = weight_.next(), rows = embedded_.next().index_select(0, pass.labels);
  // In the type of the weights: products of bfloat16 features are few here.
  return (h.to(weight.scalar_type()) * (weight + rows)).sum(1) + bias_;
}

std::string ProjectionHead::describe() const {
  return fmt::format("ProjectionHead({}, {} classes{})", features_, classes_, weight_.describe());
}

// parameters(): own before those of submodules, and those in the order of their registration.
std::vector<Init> ProjectionHead::initial() const {
  const bool dcgan = start_ == Linear::Start::dcgan;
  const double bound = 1.0 / std::sqrt(static_cast<double>(features_));
  const auto weight = dcgan ? Init::normal(0.0, 0.02) : Init::uniform(-bound, bound);
  const auto bias = dcgan ? Init::constant(0.0) : Init::uniform(-bound, bound);
  const double glorot = std::sqrt(6.0 / static_cast<double>(classes_ + features_));
  auto all = weight_.starts(weight, bias);
  all.insert(is_spectral_ ? all.begin() + 1 : all.end(), Init::uniform(-glorot, glorot));
  return all;
}

void ProjectionHead::start(const Rng& rng, const Draw& draw, int64_t place) {
  weight_.start(rng, draw, place);
  embedded_.start(rng, draw, place + 2);
}

}  // namespace ganymede::nets
