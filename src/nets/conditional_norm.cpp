#include "nets/conditional_norm.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/error.hpp"
#include "nets/block.hpp"

namespace ganymede::nets {

ConditionalBatchNorm::ConditionalBatchNorm(int64_t channels, int64_t classes, double momentum)
    : channels_(channels), classes_(classes), weight_(register_parameter("weight", at::empty({classes, channels}))),
      bias_(register_parameter("bias", at::empty({classes, channels}))), running_(*this, channels, momentum) {}

at::Tensor ConditionalBatchNorm::forward(const at::Tensor& x, const Pass& pass) {
  if (!pass.labels.defined() || pass.labels.size(0) != x.size(0))
    throw Error(Fault::bug, "conditional batch norm got {} samples and {} classes", x.size(0),
                pass.labels.defined() ? pass.labels.size(0) : 0);
  const auto one = at::ones({channels_}, weight_.options().requires_grad(false)), zero = at::zeros_like(one);
  const NormInput plain{one, zero, running_.measure(x, is_training(), over_ranks_)};
  const auto normalized = run_block(x, plain, 1.0, nullptr, /*owns_input=*/false);
  std::vector<int64_t> shape(x.dim(), 1);
  shape[0] = x.size(0), shape[1] = channels_;
  const auto scale = weight_.index_select(0, pass.labels).view(shape), shift = bias_.index_select(0, pass.labels).view(shape);
  return at::addcmul(shift, normalized, scale).to(x.scalar_type());
}

std::string ConditionalBatchNorm::describe() const { return fmt::format("ConditionalBatchNorm({}, {} classes)", channels_, classes_); }

}  // namespace ganymede::nets
