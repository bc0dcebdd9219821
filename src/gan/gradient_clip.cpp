#include "gan/gradient_clip.hpp"

#include <ATen/ops/linalg_vector_norm.h>

#include <algorithm>

#include "config/fields.hpp"

namespace ganymede::gan {
namespace {

class GradientClip final : public UpdateHook {
 public:
  explicit GradientClip(const GradientClipConfig& config) : config_(config) {}
  void limit(Player player, const FlatWeights& weights) override {
    if (player != Player::discriminator) return;
    auto g = weights.gradients;
    if (config_.value > 0) {
      g.clamp_(-config_.value, config_.value);
      return;
    }
    const double factor = config_.norm / (at::linalg_vector_norm(g, 2).item<double>() + 1e-6);
    if (factor < 1) g.mul_(factor);
  }

 private:
  GradientClipConfig config_;
};

}  // namespace

void describe(config::Fields& fields, GradientClipConfig& c) {
  fields.number("clip_d_norm", c.norm, "longest gradient of D, all parameters as one vector; 0 = off").at_least(0);
  fields.number("clip_d_value", c.value, "largest element of D's gradient; 0 = off").at_least(0);
}

std::unique_ptr<UpdateHook> make_gradient_clip(const GradientClipConfig& config) { return std::make_unique<GradientClip>(config); }

}  // namespace ganymede::gan
