// Drift: keeps a critic's values at the reals from wandering off, ε·mean ℓ(x_real)². Karras et al. 2018, "Progressive Growing of
// GANs", appendix A.1. A mean over samples, not a sum.
#pragma once
#include <memory>

#include "gan/terms.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::gan {

struct DriftConfig {
  double weight = 0.0;  // ε; 0 = off
};
void describe(config::Fields& fields, DriftConfig& c);

std::unique_ptr<DiscriminatorTerm> make_drift(const DriftConfig& config);

}  // namespace ganymede::gan
