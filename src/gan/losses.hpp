// Losses of discriminator outputs ℓ (logits, or the values of a critic). With sp(x) = log(1 + e^x):
//   non_saturating  L_D = mean sp(−ℓ_real) + mean sp(ℓ_fake);            L_G = mean sp(−ℓ_fake)
//   minimax         the same L_D;                                          L_G = −mean sp(ℓ_fake)
//                   (Goodfellow et al. 2014, "Generative Adversarial Networks")
//   wasserstein     L_D = mean ℓ_fake − mean ℓ_real;                     L_G = −mean ℓ_fake
//                   (Arjovsky et al. 2017, "Wasserstein GAN")
//   hinge           L_D = mean max(0, 1−ℓ_real) + mean max(0, 1+ℓ_fake); L_G = −mean ℓ_fake
//                   (Miyato et al. 2018, "Spectral Normalization for GANs", equations 16 and 17)
//   least_squares   L_D = ½mean (ℓ_real−1)² + ½mean ℓ_fake²;             L_G = ½mean (ℓ_fake−1)²
//                   (Mao et al. 2017, "Least Squares GANs", equation 9)
// The relativistic loss, which needs both halves at once: adversary.hpp.
// Every function returns (1/N)·Σ over this rank's rows, N the rows of the global batch: the sum over ranks is the global mean.
#pragma once
#include <ATen/core/Tensor.h>

namespace ganymede::gan {

enum class Loss { non_saturating, minimax, wasserstein, hinge, least_squares, relativistic };
enum class LossScale { sum, half };  // half: ½·L_D, the mean over all 2N rows

/// Whether D's output is a logit, whose sigmoid is the probability of being real.
inline bool gives_logits(Loss loss) { return loss == Loss::non_saturating || loss == Loss::minimax || loss == Loss::relativistic; }

/// sp(x), computed as max(x,0) + log1p(e^−|x|); differentiable twice.
at::Tensor softplus(const at::Tensor& x);

/// outputs [B] -> scalars; the two halves separate, so each has its own backward.
at::Tensor discriminator_real_loss(const at::Tensor& outputs, Loss loss, LossScale scale, double n);
at::Tensor discriminator_fake_loss(const at::Tensor& outputs, Loss loss, LossScale scale, double n);
at::Tensor generator_loss(const at::Tensor& outputs, Loss loss, double n);

}  // namespace ganymede::gan
