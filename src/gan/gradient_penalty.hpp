// Gradient penalty: holds the slope of the critic near τ between reals and fakes.
//   x̂_i = α_i x_real,i + (1−α_i) x_fake,i,  α_i ~ U(0,1), one number a sample;  s_i = √(Σ (∂ℓ(x̂_i)/∂x̂_i)² + 1e-10)
//   two-sided λ·mean_i (s_i/τ − 1)², one-sided λ·mean_i max(0, s_i/τ − 1)²; every q-th D step, times q.
// Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", equation 3; one-sided: Petzka et al. 2018, "On the regularization
// of Wasserstein GANs". x is what D was shown. The norm is a sample's own, so D must not couple samples by batch norm.
// Draws: purpose gp_alpha, index 0.
#pragma once
#include <memory>

#include "gan/terms.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::gan {

struct GradientPenaltyConfig {
  double weight = 0.0;  // λ; 0 = off
  enum class Sides { two, one } sides = Sides::two;
  double target = 1.0;  // τ
  int64_t every_steps = 1;
};
void describe(config::Fields& fields, GradientPenaltyConfig& c);

std::unique_ptr<DiscriminatorTerm> make_gradient_penalty(const GradientPenaltyConfig& config);

}  // namespace ganymede::gan
