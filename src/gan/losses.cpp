#include "gan/losses.hpp"

#include <ATen/ops/log_sigmoid.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/sum.h>

#include "core/error.hpp"

namespace ganymede::gan {
namespace {

// Logits of shape [B,1] would broadcast silently against [B].
void check_logits(const at::Tensor& logits) {
  if (logits.dim() != 1) throw Error(Fault::bug, "a discriminator gave {} axes of logits instead of one value a sample", logits.dim());
}

double share(LossScale scale, int64_t global_batch) { return (scale == LossScale::half ? 0.5 : 1.0) / static_cast<double>(global_batch); }

}  // namespace

// at::softplus switches to x above 20 and is 2e-9 off there; log_sigmoid is exact and has exact derivatives.
at::Tensor softplus(const at::Tensor& x) { return at::neg(at::log_sigmoid(at::neg(x))); }

at::Tensor discriminator_real_loss(const at::Tensor& logits, LossScale scale, int64_t global_batch) {
  check_logits(logits);
  return at::sum(gan::softplus(at::neg(logits))) * share(scale, global_batch);
}

at::Tensor discriminator_fake_loss(const at::Tensor& logits, LossScale scale, int64_t global_batch) {
  check_logits(logits);
  return at::sum(gan::softplus(logits)) * share(scale, global_batch);
}

at::Tensor generator_loss(const at::Tensor& logits, Loss loss, int64_t global_batch) {
  check_logits(logits);
  const double scale = 1.0 / static_cast<double>(global_batch);
  return loss == Loss::minimax ? at::sum(gan::softplus(logits)) * -scale : at::sum(gan::softplus(at::neg(logits))) * scale;
}

}  // namespace ganymede::gan
