// Keeps every weight of D within [−c, c], before the first step and after each, biases and batch norm's included.
// Arjovsky et al. 2017, "Wasserstein GAN", algorithm 1.
#pragma once
#include <memory>

#include "gan/terms.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::gan {

struct WeightClipConfig {
  double bound = 0.0;  // c, usually 0.01; 0 = off
};
void describe(config::Fields& fields, WeightClipConfig& c);

std::unique_ptr<UpdateHook> make_weight_clip(const WeightClipConfig& config);

}  // namespace ganymede::gan
