#include "gan/losses.hpp"

#include <ATen/ops/log_sigmoid.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/square.h>
#include <ATen/ops/sum.h>

#include "core/error.hpp"

namespace ganymede::gan {
namespace {

// Outputs of shape [B,1] would broadcast silently against [B].
void check_outputs(const at::Tensor& outputs) {
  if (outputs.dim() != 1) throw Error(Fault::bug, "a discriminator gave {} axes of outputs instead of one value a sample", outputs.dim());
}

double share(LossScale scale, double n) { return (scale == LossScale::half ? 0.5 : 1.0) / n; }

at::Tensor on_real(const at::Tensor& x, Loss loss) {
  switch (loss) {
    case Loss::non_saturating:
    case Loss::minimax: return gan::softplus(at::neg(x));
    case Loss::wasserstein: return at::neg(x);
    case Loss::hinge: return at::relu(1.0 - x);
    case Loss::least_squares: return at::square(x - 1.0) * 0.5;
    case Loss::relativistic: break;
  }
  throw Error(Fault::bug, "a loss whose halves do not separate");
}

at::Tensor on_fake(const at::Tensor& x, Loss loss) {
  switch (loss) {
    case Loss::non_saturating:
    case Loss::minimax: return gan::softplus(x);
    case Loss::wasserstein: return x;
    case Loss::hinge: return at::relu(1.0 + x);
    case Loss::least_squares: return at::square(x) * 0.5;
    case Loss::relativistic: break;
  }
  throw Error(Fault::bug, "a loss whose halves do not separate");
}

at::Tensor for_generator(const at::Tensor& x, Loss loss) {
  switch (loss) {
    case Loss::non_saturating: return gan::softplus(at::neg(x));
    case Loss::minimax: return at::neg(gan::softplus(x));
    case Loss::wasserstein:
    case Loss::hinge: return at::neg(x);
    case Loss::least_squares: return at::square(x - 1.0) * 0.5;
    case Loss::relativistic: break;
  }
  throw Error(Fault::bug, "a loss whose halves do not separate");
}

}  // namespace

// at::softplus switches to x above 20 and is 2e-9 off there; log_sigmoid is exact and has exact derivatives.
at::Tensor softplus(const at::Tensor& x) { return at::neg(at::log_sigmoid(at::neg(x))); }

// Each row is scaled, not the sum: both halves then reach D as plain rows of numbers, and a critic's last bias, whose gradient is 1 − 1, gets
// 0 and not the difference of two orders of adding up.
at::Tensor discriminator_real_loss(const at::Tensor& outputs, Loss loss, LossScale scale, double n) {
  check_outputs(outputs);
  return at::sum(on_real(outputs, loss) * share(scale, n));
}

at::Tensor discriminator_fake_loss(const at::Tensor& outputs, Loss loss, LossScale scale, double n) {
  check_outputs(outputs);
  return at::sum(on_fake(outputs, loss) * share(scale, n));
}

at::Tensor generator_loss(const at::Tensor& outputs, Loss loss, double n) {
  check_outputs(outputs);
  return at::sum(for_generator(outputs, loss) * (1.0 / n));
}

}  // namespace ganymede::gan
