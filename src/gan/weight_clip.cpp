#include "gan/weight_clip.hpp"

#include "config/fields.hpp"

namespace ganymede::gan {
namespace {

class WeightClip final : public UpdateHook {
 public:
  explicit WeightClip(const WeightClipConfig& config) : config_(config) {}
  void start(Player player, const FlatWeights& weights) override { clamp(player, weights); }
  void after(Player player, const FlatWeights& weights, int64_t) override { clamp(player, weights); }

 private:
  void clamp(Player player, const FlatWeights& weights) const {
    if (player == Player::discriminator) at::Tensor(weights.parameters).clamp_(-config_.bound, config_.bound);
  }
  WeightClipConfig config_;
};

}  // namespace

void describe(config::Fields& fields, WeightClipConfig& c) { fields.number("weight_clip", c.bound, "D's weights stay within this, usually 0.01; 0 = off").at_least(0); }

std::unique_ptr<UpdateHook> make_weight_clip(const WeightClipConfig& config) { return std::make_unique<WeightClip>(config); }

}  // namespace ganymede::gan
