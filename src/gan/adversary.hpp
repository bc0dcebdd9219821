// The adversarial losses as the first terms of both players' lists (formulas: losses.hpp), and those that need both halves at once:
//   relativistic  r̄ = mean ℓ_real, f̄ = mean ℓ_fake over the global batch:
//                 L_D = ½[mean sp(−(ℓ_real−f̄)) + mean sp(ℓ_fake−r̄)], L_G = ½[mean sp(ℓ_real−f̄) + mean sp(−(ℓ_fake−r̄))]
//                 (Jolicoeur-Martineau 2018, "The relativistic discriminator", section 4.3; gradients flow through r̄ and f̄)
//   pairs         D sees a real and a fake side by side; t = 1 where the real stands first:
//                 L_D = mean[sp(ℓ) − tℓ], L_G = mean[sp(ℓ) − (1−t)ℓ]
#pragma once
#include <memory>

#include "gan/losses.hpp"
#include "gan/terms.hpp"

namespace ganymede::gan {

struct TargetsConfig;

std::unique_ptr<Adversary> make_adversary(Loss loss, LossScale scale, const TargetsConfig& targets);
std::unique_ptr<Adversary> make_pair_adversary(LossScale scale);

}  // namespace ganymede::gan
