#include "nets/virtual_batch_norm.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/error.hpp"
#include "nets/batch_norm.hpp"

namespace ganymede::nets {
namespace {

struct Moments {
  at::Tensor mean, variance;  // [rows,C,1,…]; rows: 1 for the reference
};

Moments moments(const at::Tensor& x, const std::vector<int64_t>& axes) {
  if (axes.empty()) return {x, at::zeros_like(x)};  // a sample of one value a channel
  const auto mean = x.mean(axes, /*keepdim=*/true);
  return {mean, (x - mean).square().mean(axes, /*keepdim=*/true)};
}

}  // namespace

VirtualBatchNorm::VirtualBatchNorm(int64_t channels) : channels_(channels) {
  weight_ = register_parameter("weight", at::empty({channels}));
  bias_ = register_parameter("bias", at::empty({channels}));
}

at::Tensor VirtualBatchNorm::forward(const at::Tensor& x, const Pass& pass) {
  if (pass.ranges.empty() || pass.ranges.back().source != Source::reference)
    throw Error(Fault::bug, "{} needs the rows of the reference batch behind those that it normalizes", describe());
  const int64_t n = pass.ranges.back().rows, live = x.size(0) - n;
  const auto values = x.to(weight_.scalar_type());
  const auto reference = values.narrow(0, live, n), samples = values.narrow(0, 0, live);
  std::vector<int64_t> pixels, all{0}, channel(x.dim(), 1);
  for (int64_t axis = 2; axis < x.dim(); ++axis) pixels.push_back(axis), all.push_back(axis);
  channel[1] = channels_;
  const auto gamma = weight_.view(channel), beta = bias_.view(channel);
  const auto normalized = [&](const at::Tensor& rows, const Moments& by) {
    return (rows - by.mean) * (gamma * at::rsqrt(by.variance + batch_norm_epsilon)) + beta;
  };
  const auto fixed = moments(reference, all), own = moments(samples, pixels);
  const double c = 1.0 / (static_cast<double>(n) + 1.0);
  const auto mean = (1.0 - c) * fixed.mean + c * own.mean;
  const auto variance = (1.0 - c) * (fixed.variance + (fixed.mean - mean).square()) + c * (own.variance + (own.mean - mean).square());
  return at::cat({normalized(samples, {mean, variance}), normalized(reference, fixed)}).to(x.scalar_type());
}

std::string VirtualBatchNorm::describe() const { return fmt::format("VirtualBatchNorm({})", channels_); }

}  // namespace ganymede::nets
