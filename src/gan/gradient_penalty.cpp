#include "gan/gradient_penalty.hpp"

#include <ATen/ops/relu.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/square.h>
#include <ATen/ops/sum.h>

#include "config/fields.hpp"
#include "gan/input_gradient.hpp"
#include "gan/pixels.hpp"

namespace ganymede::gan {
namespace {

constexpr double epsilon = 1e-10;  // a critic with zero gradient must have finite second derivatives

class GradientPenalty final : public DiscriminatorTerm {
 public:
  explicit GradientPenalty(const GradientPenaltyConfig& config) : config_(config) {}
  const char* key() const override { return "gradient_penalty"; }
  Together together() const override { return Together::values; }

  at::Tensor on_both(const Judged& real, const Judged& fake, const Judge& judge) override {
    if (real.step % config_.every_steps != 0) return {};
    const auto alpha = per_sample(draw_rows(judge, real, Purpose::gp_alpha, 0, 1), real.input);
    const auto point = real.input.detach() * alpha + fake.input.detach() * (1.0 - alpha);
    const auto norm = at::sqrt(squared_input_gradients(point, real, nets::Source::penalty, judge) + epsilon);
    auto excess = norm * (1.0 / config_.target) - 1.0;
    if (config_.sides == GradientPenaltyConfig::Sides::one) excess = at::relu(excess);
    return at::sum(at::square(excess)) * (config_.weight * static_cast<double>(config_.every_steps) / judge.decisions());
  }

 private:
  GradientPenaltyConfig config_;
};

}  // namespace

void describe(config::Fields& fields, GradientPenaltyConfig& c) {
  using Sides = GradientPenaltyConfig::Sides;
  fields.number("gradient_penalty", c.weight, "weight of WGAN-GP's penalty; 0 = off").at_least(0);
  fields.choice("gradient_penalty_sides", c.sides, {{"two", Sides::two}, {"one", Sides::one}}, "penalize slopes on both sides of the target, or above it");
  fields.number("gradient_penalty_target", c.target, "the slope wanted").above(0);
  fields.integer("gradient_penalty_every", c.every_steps, "on every n-th D step, times n").at_least(1);
}

std::unique_ptr<DiscriminatorTerm> make_gradient_penalty(const GradientPenaltyConfig& config) { return std::make_unique<GradientPenalty>(config); }

}  // namespace ganymede::gan
