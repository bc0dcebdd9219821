// Losses in logit form. Goodfellow et al. 2014, "Generative Adversarial Networks"; with sp(x) = log(1 + e^x):
//   L_D = mean sp(−ℓ_real) + mean sp(ℓ_fake);   L_G non-saturating = mean sp(−ℓ_fake), minimax = −mean sp(ℓ_fake).
// Every function returns (1/N)·Σ over this rank's rows, N the global batch: the sum over ranks is the global mean.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ganymede::gan {

enum class Loss { non_saturating, minimax };
enum class LossScale { sum, half };  // half: ½·L_D, the mean over all 2N rows

struct RealAndFake {
  at::Tensor real, fake;
};

/// sp(x), computed as max(x,0) + log1p(e^−|x|); differentiable twice.
at::Tensor softplus(const at::Tensor& x);

/// logits [B] -> scalars; the two halves separate, so each has its own backward.
at::Tensor discriminator_real_loss(const at::Tensor& logits, LossScale scale, int64_t global_batch);
at::Tensor discriminator_fake_loss(const at::Tensor& logits, LossScale scale, int64_t global_batch);
at::Tensor generator_loss(const at::Tensor& logits, Loss loss, int64_t global_batch);

}  // namespace ganymede::gan
