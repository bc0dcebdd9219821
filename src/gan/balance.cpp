#include "gan/balance.hpp"

#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

#include "config/fields.hpp"
#include "core/saved_values.hpp"

namespace ganymede::gan {
namespace {

constexpr int64_t most_steps_a_turn = 5;
constexpr const char* group = "tricks/balance";

class BalanceController final : public Controller {
 public:
  BalanceController(const BalanceConfig& config, const Pace& start) : balance_{config, config.target, 0.0, start} {}

  // Hits are summed over ranks here, as whole numbers: all ranks decide alike.
  void watch(const Hits& hits, const at::Tensor&, const Judge& judge) override {
    auto both = at::tensor({hits.real, hits.fake}, at::kLong);
    if (judge.statistics()) judge.statistics()->all_reduce_sum(both, "balance hits");
    balance_.observe(0.5 * static_cast<double>(both[0].item<int64_t>() + both[1].item<int64_t>()) / judge.decisions());
  }

  void steer(int64_t iteration, Pace& pace, const Judge&) override {
    if (iteration % balance_.config.every_steps == 0) balance_.adjust();
    pace = balance_.pace;
  }

  void save(State& state) const override {
    state.attributes[group] = {{"accuracy", balance_.accuracy}, {"log_rate", balance_.log_rate}, {"d_steps", balance_.pace.d_steps}, {"g_steps", balance_.pace.g_steps}};
  }

  void load(const State& state, Pace& pace) override {
    balance_.accuracy = saved_value<double>(state, group, "accuracy"), balance_.log_rate = saved_value<double>(state, group, "log_rate");
    balance_.pace = {saved_value<int64_t>(state, group, "d_steps"), saved_value<int64_t>(state, group, "g_steps"), std::exp(balance_.log_rate)};
    pace = balance_.pace;
  }

  std::vector<std::pair<std::string, double>> figures() const override {
    return {{"balance_accuracy", balance_.accuracy},
            {"balance_rate", balance_.pace.d_rate},
            {"balance_d_steps", static_cast<double>(balance_.pace.d_steps)},
            {"balance_g_steps", static_cast<double>(balance_.pace.g_steps)}};
  }

 private:
  Balance balance_;
};

}  // namespace

void describe(config::Fields& fields, BalanceConfig& c) {
  using Mode = BalanceConfig::Mode;
  fields.choice("mode", c.mode, {{"off", Mode::off}, {"lr", Mode::rate}, {"steps", Mode::steps}}, "what D's accuracy steers");
  fields.number("target", c.target, "lr: the accuracy wanted").above(0).below(1);
  fields.number("gain", c.gain, "lr: change of the rate's logarithm per unit of accuracy").above(0);
  fields.number("bound", c.bound, "lr: largest factor of D's learning rate, and one over it the smallest").above(1);
  fields.number("low", c.low, "steps: D gets more below this accuracy").at_least(0).at_most(1);
  fields.number("high", c.high, "steps: G gets more above this accuracy").at_least(0).at_most(1);
  fields.integer("every_steps", c.every_steps, "iterations between adjustments").at_least(1);
}

void Balance::adjust() {
  if (config.mode == BalanceConfig::Mode::rate) {
    const double most = std::log(config.bound);
    log_rate = std::clamp(log_rate + config.gain * (config.target - accuracy), -most, most);
    pace.d_rate = std::exp(log_rate);
    return;
  }
  const auto shift = [](int64_t& fewer, int64_t& more) {
    if (fewer > 1)
      --fewer;
    else
      more = std::min(more + 1, most_steps_a_turn);
  };
  if (accuracy > config.high) shift(pace.d_steps, pace.g_steps);
  if (accuracy < config.low) shift(pace.g_steps, pace.d_steps);
}

std::unique_ptr<Controller> make_balance(const BalanceConfig& config, const Pace& start) { return std::make_unique<BalanceController>(config, start); }

}  // namespace ganymede::gan
