// Pulls a player to the mean of its own past weights: L += w·‖θ − θ̄‖², θ̄ = mean of θ over the start and all steps so far, held
// constant in the gradient, so 2w(θ − θ̄) joins the reduced gradient (in a rank's loss it would count once for each rank).
// window = β > 0: θ̄ ← βθ̄ + (1−β)θ instead. Salimans et al. 2016, "Improved Techniques for Training GANs", section 3.3.
#pragma once
#include <memory>

#include "gan/terms.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::gan {

struct HistoricalAverageConfig {
  double weight = 0.0;  // w; 0 = off
  double window = 0.0;  // β; 0: the mean of everything
  enum class Which { both, d, g } which = Which::both;
};
void describe(config::Fields& fields, HistoricalAverageConfig& c);

std::unique_ptr<UpdateHook> make_historical_average(const HistoricalAverageConfig& config);

}  // namespace ganymede::gan
