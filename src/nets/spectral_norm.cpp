#include "nets/spectral_norm.hpp"

#include <ATen/ATen.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

namespace ganymede::nets {
namespace {

at::Tensor normalized(const at::Tensor& vector) {
  constexpr double epsilon = 1e-12;
  return vector / vector.norm().clamp_min(epsilon);
}

}  // namespace

SpectralNorm::SpectralNorm(int64_t out, int64_t rest, int64_t out_axis, int64_t iterations) : out_axis_(out_axis), iterations_(iterations) {
  u_ = register_buffer("_u", at::zeros({out}));
  v_ = register_buffer("_v", at::zeros({rest}));
}

at::Tensor SpectralNorm::matrix(const at::Tensor& weight) const {
  return (out_axis_ == 0 ? weight : weight.transpose(0, out_axis_)).flatten(1);
}

// Under autocast the products would be bfloat16, and σ with them.
at::Tensor SpectralNorm::apply(const at::Tensor& weight) {
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::DispatchKey::AutocastCPU);
  const auto w = matrix(weight);
  if (is_training()) iterate(w.detach(), iterations_);
  const auto u = u_.clone(), v = v_.clone();  // the next forward moves the buffers before this one's backward
  return weight / at::dot(u, at::mv(w, v));
}

void SpectralNorm::iterate(const at::Tensor& matrix, int64_t times) {
  at::NoGradGuard no_graph;
  const auto transposed = matrix.t();
  for (int64_t i = 0; i < times; ++i) {
    u_.copy_(normalized(at::mv(matrix, v_)));
    v_.copy_(normalized(at::mv(transposed, u_)));
  }
}

void SpectralNorm::start(const at::Tensor& weight, const Rng& rng, const Draw& draw, int64_t place) {
  at::NoGradGuard no_graph;
  u_.copy_(normalized(rng.normal(draw, place, 1, u_.numel()).flatten()));
  v_.copy_(normalized(rng.normal(draw, place + 1, 1, v_.numel()).flatten()));
  iterate(matrix(weight.detach()), iterations_at_start);
}

}  // namespace ganymede::nets
