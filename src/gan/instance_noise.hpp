// Instance noise: D sees x + σ_t·ε, ε ~ N(0,1) per element, reals and fakes alike and independently, in both phases; no clamping.
// σ_t = σ0, or σ0·max(0, 1 − iteration/T). Sønderby et al. 2016, "Amortised MAP Inference for Image Super-resolution", section 4.2;
// Arjovsky & Bottou 2017, "Towards Principled Methods for Training GANs", section 3.
// Draws: purposes noise_real and noise_fake; index 0 in the D phase, 1 in the G phase.
#pragma once
#include <memory>

#include "gan/scene.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::gan {

struct InstanceNoiseConfig {
  double deviation = 0.0;     // σ0; 0 = off
  int64_t anneal_steps = 0;   // T in iterations; 0 = constant
};
void describe(config::Fields& fields, InstanceNoiseConfig& c);

double noise_deviation(const InstanceNoiseConfig& config, int64_t iteration);
std::unique_ptr<Filter> make_instance_noise(const InstanceNoiseConfig& config);

}  // namespace ganymede::gan
