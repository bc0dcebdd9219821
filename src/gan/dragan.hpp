// DRAGAN: holds D's slope near one around the reals. Kodali et al. 2017, "On Convergence and Stability of GANs", equation 3.
//   x_p = x + ½·std(x)·u, u ~ U(0,1) per element, std one number over all elements of the global batch, or of a micro-batch (population, no gradient)
//   x̂ = x + α(x_p − x), α ~ U(0,1) per sample;  λ·mean_i (‖∂ℓ(x̂_i)/∂x̂_i‖ − 1)², a norm for each sample
// Draws: purpose perturb, index 0 (u), and gp_alpha, index 1 (α).
#pragma once
#include <memory>

#include "gan/terms.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::gan {

struct DraganConfig {
  double weight = 0.0;  // λ; 0 = off
};
void describe(config::Fields& fields, DraganConfig& c);

std::unique_ptr<DiscriminatorTerm> make_dragan(const DraganConfig& config);

}  // namespace ganymede::gan
