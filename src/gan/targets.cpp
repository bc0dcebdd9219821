#include "gan/targets.hpp"

#include <ATen/ops/full_like.h>
#include <ATen/ops/where.h>

#include "config/fields.hpp"

namespace ganymede::gan {
namespace {

constexpr int64_t draw_index = 2, draws = 4;

enum Kind : int64_t { real = 0, fake = 1 };

// The target of one kind before flips; `u` are the rows' draws, undefined where nothing is drawn.
at::Tensor target_of(const TargetsConfig& config, Kind kind, const at::Tensor& outputs, const at::Tensor& u) {
  using Smoothing = TargetsConfig::Smoothing;
  if (config.smoothing == Smoothing::noisy) {
    const double low = kind == real ? config.noisy_real_low : 0.0, high = kind == real ? config.noisy_real_high : config.noisy_fake_high;
    return (low + (high - low) * u.select(1, kind)).to(outputs.scalar_type());
  }
  const double of_real = config.smoothing == Smoothing::off ? 1.0 : config.real_target;
  const double of_fake = config.smoothing == Smoothing::two_sided ? config.fake_target : 0.0;
  return at::full_like(outputs, kind == real ? of_real : of_fake);
}

at::Tensor targets(const TargetsConfig& config, Kind kind, const Judged& judged, const Judge& judge) {
  const auto outputs = judged.outputs.detach();
  at::Tensor u;
  if (config.smoothing == TargetsConfig::Smoothing::noisy || config.flip > 0)
    u = nets::uniform_rows(judge.rng(), Draw{Purpose::labels, judged.step, draw_index}, judged.range, draws);
  const auto t = target_of(config, kind, outputs, u);
  if (config.flip <= 0) return t;
  return at::where(u.select(1, kind + 2) < config.flip, target_of(config, kind == real ? fake : real, outputs, u), t);
}

}  // namespace

void describe(config::Fields& fields, TargetsConfig& c) {
  using Smoothing = TargetsConfig::Smoothing;
  fields.choice("label_smoothing", c.smoothing,
                {{"off", Smoothing::off}, {"one_sided", Smoothing::one_sided}, {"two_sided", Smoothing::two_sided}, {"noisy", Smoothing::noisy}},
                "soft targets for D, of reals alone or of both, or drawn for each sample");
  fields.number("real_target", c.real_target, "one_sided, two_sided: target of reals").at_least(0).at_most(1);
  fields.number("fake_target", c.fake_target, "two_sided: target of fakes").at_least(0).at_most(1);
  fields.number("noisy_real_low", c.noisy_real_low, "noisy: smallest target of a real").at_least(0).at_most(1);
  fields.number("noisy_real_high", c.noisy_real_high, "noisy: largest target of a real").at_least(0).at_most(1);
  fields.number("noisy_fake_high", c.noisy_fake_high, "noisy: largest target of a fake").at_least(0).at_most(1);
  fields.number("label_flip", c.flip, "probability that D's target of a sample is swapped").at_least(0).at_most(0.5);
}

at::Tensor real_targets(const TargetsConfig& config, const Judged& judged, const Judge& judge) { return targets(config, real, judged, judge); }
at::Tensor fake_targets(const TargetsConfig& config, const Judged& judged, const Judge& judge) { return targets(config, fake, judged, judge); }

}  // namespace ganymede::gan
