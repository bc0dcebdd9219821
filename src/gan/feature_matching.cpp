#include "gan/feature_matching.hpp"

#include <ATen/ops/abs.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/square.h>
#include <ATen/ops/sum.h>

#include <charconv>

#include "config/fields.hpp"
#include "core/error.hpp"
#include "nets/collectives.hpp"

namespace ganymede::gan {
namespace {

using Kind = FeatureMatchingConfig::Kind;

// The number of the layer whose output is matched; -1: D's own outputs.
int64_t find_layer(const std::string& name, const nets::Network& discriminator) {
  const auto layers = static_cast<int64_t>(discriminator.size());
  if (name == "output") return -1;
  if (name == "penultimate") return layer_before_last(discriminator);
  int64_t number = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size() || number < 0 || number >= layers)
    throw Error(Fault::recipe, "tricks.feature_matching_layer = \"{}\" is no layer of the discriminator", name)
        .remedy("use \"penultimate\", \"output\", or a number from 0 to {}", layers - 1);
  return number;
}

class FeatureMatching final : public GeneratorTerm {
 public:
  FeatureMatching(const FeatureMatchingConfig& config, int64_t layer, int world_size) : config_(config), layer_(layer), world_size_(world_size) {}
  const char* key() const override { return "feature_matching"; }
  Reals reals() const override { return config_.reals == FeatureMatchingConfig::Reals::fresh ? Reals::fresh : Reals::last; }
  int64_t captured_layer() const override { return layer_; }

  at::Tensor value(const Judged& fake, const Judged& real, const Judge& judge) override {
    const auto of_fake = flat(fake), of_real = flat(real).detach();
    const double features = static_cast<double>(of_fake.size(1));
    if (config_.kind == Kind::elementwise) return at::sum(at::abs(of_real - of_fake)) * (config_.weight / (features * judge.decisions()));
    const double rows = static_cast<double>(nets::global_rows(fake.range));
    const auto gap = nets::gsum(at::sum(of_real, 0) - at::sum(of_fake, 0), judge.statistics(), "feature matching") * (1.0 / rows);
    // Of a micro-batch: its part of the batch.
    const double part = rows / judge.decisions() / static_cast<double>(world_size_);
    const auto number = at::sum(config_.kind == Kind::l1 ? at::abs(gap) : at::square(gap));
    return number * (config_.weight * part / (config_.kind == Kind::l2_sum ? 1.0 : features));
  }

 private:
  at::Tensor flat(const Judged& judged) const {
    auto f = layer_ < 0 ? judged.outputs.view({-1, 1}) : judged.features.to(judged.outputs.scalar_type());
    if (config_.pool && f.dim() > 2) f = at::mean(f.flatten(2), -1);
    return f.flatten(1);
  }
  FeatureMatchingConfig config_;
  int64_t layer_;
  int world_size_;
};

}  // namespace

void describe(config::Fields& fields, FeatureMatchingConfig& c) {
  using Reals = FeatureMatchingConfig::Reals;
  fields.number("feature_matching", c.weight, "weight of matching D's features of reals, usually 0.1; 0 = off").at_least(0);
  fields.choice("feature_matching_kind", c.kind, {{"elementwise", Kind::elementwise}, {"l1", Kind::l1}, {"l2", Kind::l2}, {"l2_sum", Kind::l2_sum}},
                "sample by sample, or the means over the batch");
  fields.text("feature_matching_layer", c.layer, "penultimate, output, or the number of D's layer");
  fields.flag("feature_matching_pool", c.pool, "features are averaged over pixels first");
  fields.choice("feature_matching_reals", c.reals, {{"last", Reals::last}, {"fresh", Reals::fresh}}, "reals of the last D step, or others");
}

int64_t layer_before_last(const nets::Network& discriminator) {
  size_t last = discriminator.size() - 1;
  while (last > 0 && discriminator.layer(last).parameters().empty()) --last;
  if (last == 0) throw Error(Fault::recipe, "the discriminator has one layer with weights, and no features in front of it").remedy("use feature_matching_layer = \"output\"");
  return static_cast<int64_t>(last) - 1;
}

std::unique_ptr<GeneratorTerm> make_feature_matching(const FeatureMatchingConfig& config, const nets::Network& discriminator, int world_size) {
  return std::make_unique<FeatureMatching>(config, find_layer(config.layer, discriminator), world_size);
}

}  // namespace ganymede::gan
