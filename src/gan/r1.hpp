// R1: punishes D's slope at the reals, γ/2·mean_i Σ(∂ℓ(x_i)/∂x_i)² (squared norm, no root); every q-th D step, times q.
// Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?", equation 9. Its authors' code has no ½: a weight
// of w there is γ = 2w here. The slope is that of the real half's own forward pass. With pairs: of the pair.
#pragma once
#include <memory>

#include "gan/terms.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::gan {

struct R1Config {
  double weight = 0.0;  // γ; 0 = off
  int64_t every_steps = 1;
};
void describe(config::Fields& fields, R1Config& c);

std::unique_ptr<DiscriminatorTerm> make_r1(const R1Config& config);

}  // namespace ganymede::gan
