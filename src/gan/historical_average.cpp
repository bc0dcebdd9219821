#include "gan/historical_average.hpp"

#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/sub.h>

#include <array>

#include "config/fields.hpp"

namespace ganymede::gan {
namespace {

class HistoricalAverage final : public UpdateHook {
 public:
  explicit HistoricalAverage(const HistoricalAverageConfig& config) : config_(config) {}

  void start(Player player, const FlatWeights& weights) override {
    if (acts_on(player)) mean(player) = weights.parameters.detach().clone();
  }

  std::optional<std::pair<std::string, double>> add(Player player, const FlatWeights& weights) override {
    if (!acts_on(player)) return {};
    const auto away = at::sub(weights.parameters, mean(player));
    at::Tensor(weights.gradients).add_(away, 2.0 * config_.weight);
    const double norm = at::linalg_vector_norm(away, 2).item<double>();
    return std::pair("historical_averaging", config_.weight * norm * norm);
  }

  // After t steps the mean is over t + 1 weights, the start among them.
  void after(Player player, const FlatWeights& weights, int64_t steps_done) override {
    if (!acts_on(player)) return;
    const double part = config_.window > 0 ? 1.0 - config_.window : 1.0 / static_cast<double>(steps_done + 1);
    mean(player).lerp_(weights.parameters, part);
  }

  std::vector<FlatState> flat_state() override {
    std::vector<FlatState> all;
    for (const auto player : {Player::generator, Player::discriminator})
      if (acts_on(player)) all.push_back({"historical_mean", player, mean(player)});
    return all;
  }

 private:
  using Which = HistoricalAverageConfig::Which;
  bool acts_on(Player player) const { return config_.which == Which::both || (config_.which == Which::d) == (player == Player::discriminator); }
  at::Tensor& mean(Player player) { return means_[static_cast<size_t>(player)]; }
  HistoricalAverageConfig config_;
  std::array<at::Tensor, 2> means_;  // by player, laid out as the flat weights
};

}  // namespace

void describe(config::Fields& fields, HistoricalAverageConfig& c) {
  using Which = HistoricalAverageConfig::Which;
  fields.number("historical_averaging", c.weight, "weight of the pull to the mean of past weights; 0 = off").at_least(0);
  fields.number("historical_window", c.window, "decay of that mean; 0: of all steps alike").at_least(0).below(1);
  fields.choice("historical_which", c.which, {{"both", Which::both}, {"d", Which::d}, {"g", Which::g}}, "whose weights");
}

std::unique_ptr<UpdateHook> make_historical_average(const HistoricalAverageConfig& config) { return std::make_unique<HistoricalAverage>(config); }

}  // namespace ganymede::gan
