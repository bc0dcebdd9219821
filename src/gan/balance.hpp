// Keeps both players at similar skill: D's accuracy steers D's learning rate or the number of steps. A method of this project, kin
// of the proportional control in Berthelot et al. 2017, "BEGAN", section 3.4.
//   acc = ½(share of reals judged real + share of fakes judged fake);  a ← .98a + .02·acc a D step, from the target a* on
// Every `every_steps` iterations:
//   rate   u ← clamp(u + gain·(a* − a), ±log bound); D's learning rate is multiplied by e^u
//   steps  a > high: D one step fewer, at one step G one more; a < low: G one step fewer, at one step D one more; both within [1,5]
#pragma once
#include <memory>

#include "gan/terms.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::gan {

struct BalanceConfig {
  enum class Mode { off, rate, steps } mode = Mode::off;
  double target = 0.75;
  double gain = 0.05;
  double bound = 10.0;
  double low = 0.6, high = 0.9;
  int64_t every_steps = 50;
};
void describe(config::Fields& fields, BalanceConfig& c);

/// The arithmetic, on accuracies of the global batch.
struct Balance {
  BalanceConfig config;
  double accuracy = 0.75;  // a
  double log_rate = 0.0;   // u
  Pace pace;
  void observe(double batch_accuracy) { accuracy = 0.98 * accuracy + 0.02 * batch_accuracy; }
  void adjust();
};

std::unique_ptr<Controller> make_balance(const BalanceConfig& config, const Pace& start);

}  // namespace ganymede::gan
