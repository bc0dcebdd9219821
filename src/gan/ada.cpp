#include "gan/ada.hpp"

#include <ATen/ops/gt.h>
#include <ATen/ops/lt.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sum.h>

#include <algorithm>
#include <cmath>

#include "config/fields.hpp"
#include "core/error.hpp"
#include "core/saved_values.hpp"

namespace ganymede::gan {
namespace {

constexpr const char* group = "tricks/ada";

}  // namespace

void describe(config::Fields& fields, AdaConfig& c) {
  fields.flag("ada", c.on, "transforms whose probability p follows D's overfitting");
  fields.number("ada_target", c.target, "ada: mean sign of D's output on reals that p steers to").above(-1).below(1);
  fields.number("ada_kimg", c.kimg, "ada: thousands of reals in which p can go from 0 to 1").above(0);
  auto& m = c.multipliers;
  const auto multiplier = [&](const char* name, double& target, const char* what) {
    fields.number(name, target, what).at_least(0).at_most(1);
  };
  multiplier("x_flip", m.x_flip, "ada: share of p for mirroring; leaks into samples unless reals are mirrored too");
  multiplier("turns", m.turns, "ada: share of p for quarter turns; leak into samples unless reals are turned too");
  multiplier("integer_shifts", m.integer_shifts, "ada: share of p for shifts by whole pixels, up to an eighth of the side");
  multiplier("scale", m.scale, "ada: share of p for scaling");
  multiplier("rotation", m.rotation, "ada: share of p for rotation by any angle");
  multiplier("stretch", m.stretch, "ada: share of p for stretching");
  multiplier("shift", m.shift, "ada: share of p for shifts by parts of pixels");
  multiplier("brightness", m.brightness, "ada: share of p for brightness");
  multiplier("contrast", m.contrast, "ada: share of p for contrast");
  multiplier("luma_flip", m.luma_flip, "ada: share of p for light turned dark");
  multiplier("hue", m.hue, "ada: share of p for turned hues, in color pictures");
  multiplier("saturation", m.saturation, "ada: share of p for saturation, in color pictures");
}

at::Tensor sign_counts(const at::Tensor& logits) {
  const auto l = logits.detach();
  return at::stack({at::gt(l, 0).sum(), at::lt(l, 0).sum(), at::full({}, l.numel(), l.options().dtype(at::kLong))});
}

AdaController::AdaController(const AdaConfig& config, int64_t global_batch)
    : target_(config.target), change_(static_cast<double>(steps_per_update * global_batch) / (1000.0 * config.kimg)) {}

void AdaController::observe(int64_t positive, int64_t negative, int64_t all) {
  if (positive < 0 || negative < 0 || all < 1 || positive + negative > all)
    throw Error(Fault::bug, "augment.ada was told of {} positive and {} negative outputs in a batch of {}", positive, negative, all);
  signs_ += positive - negative;
  count_ += all;
  if (++steps_ < steps_per_update) return;
  r_ = static_cast<double>(signs_) / static_cast<double>(count_);
  const double direction = r_ > target_ ? 1.0 : r_ < target_ ? -1.0 : 0.0;
  p_ = std::clamp(p_ + direction * change_, 0.0, 1.0);
  steps_ = signs_ = count_ = 0;
}

void AdaController::save(State& state) const {
  state.attributes[group] = {{"p", p_}, {"r", r_}, {"steps", steps_}, {"signs", signs_}, {"count", count_}};
}

void AdaController::load(const State& state) {
  const auto p = saved_value<double>(state, group, "p"), r = saved_value<double>(state, group, "r");
  const auto steps = saved_value<int64_t>(state, group, "steps"), signs = saved_value<int64_t>(state, group, "signs"),
             count = saved_value<int64_t>(state, group, "count");
  if (!(p >= 0 && p <= 1) || !(r >= -1 && r <= 1) || steps < 0 || steps >= steps_per_update || count < 0 || signs > count || -signs > count)
    throw Error(Fault::bad_data, "the checkpoint's model.h5 holds impossible values in {}: p {}, r {}, steps {}, signs {}, count {}", group,
                p, r, steps, signs, count);
  p_ = p, r_ = r, steps_ = steps, signs_ = signs, count_ = count;
}

}  // namespace ganymede::gan
