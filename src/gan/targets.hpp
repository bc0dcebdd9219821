// Softened, noisy or flipped targets t of D's cross-entropy sp(ℓ) − tℓ; G's are never touched. Salimans et al. 2016, "Improved
// Techniques for Training GANs", section 3.4. First smoothing or noise, then the flip.
//   one_sided  reals `real_target`, fakes 0      two_sided  reals `real_target`, fakes `fake_target`
//   noisy      reals U(noisy_real_low, noisy_real_high), fakes U(0, noisy_fake_high), a sample each
//   flip       with probability label_flip a sample takes the target that the other kind would have at its place
// Draws: purpose labels, index 2; elements 0 and 1 the targets of real and fake, 2 and 3 their flips.
#pragma once
#include "gan/scene.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::gan {

struct TargetsConfig {
  enum class Smoothing { off, one_sided, two_sided, noisy } smoothing = Smoothing::off;
  double real_target = 0.9, fake_target = 0.1;
  double noisy_real_low = 0.8, noisy_real_high = 1.0, noisy_fake_high = 0.0;
  double flip = 0.0;
  bool are_soft() const { return smoothing != Smoothing::off || flip > 0; }
};
void describe(config::Fields& fields, TargetsConfig& c);

/// [B], like the outputs.
at::Tensor real_targets(const TargetsConfig& config, const Judged& real, const Judge& judge);
at::Tensor fake_targets(const TargetsConfig& config, const Judged& fake, const Judge& judge);

}  // namespace ganymede::gan
