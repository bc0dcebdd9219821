#include "nets/layers.hpp"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/tanh.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

namespace ganymede::nets {
namespace {

// DCGAN: weights N(0, 0.02²), biases 0 (Radford et al. 2016, section 3).
std::vector<Init> dcgan_start(bool bias) {
  std::vector<Init> start{Init::normal(0.0, 0.02)};
  if (bias) start.push_back(Init::constant(0.0));
  return start;
}

std::string describe_conv(const char* name, const ConvShape& s) {
  return fmt::format("{}({}, {}, kernel {}, stride {}, padding {}{})", name, s.in, s.out, s.kernel, s.stride, s.padding, s.bias ? ", bias" : "");
}

}  // namespace

Conv2d::Conv2d(const ConvShape& shape) : shape_(shape), map_{LinearMap::Kind::convolution, shape.stride, shape.padding, {}, {}} {
  map_.weight = register_parameter("weight", at::empty({shape.out, shape.in, shape.kernel, shape.kernel}));
  if (shape.bias) map_.bias = register_parameter("bias", at::empty({shape.out}));
}
at::Tensor Conv2d::forward(const at::Tensor& x, const Pass&) { return at::conv2d(x, map_.weight, map_.bias, shape_.stride, shape_.padding); }
std::string Conv2d::describe() const { return describe_conv("Conv2d", shape_); }
std::vector<Init> Conv2d::initial() const { return dcgan_start(shape_.bias); }

ConvTranspose2d::ConvTranspose2d(const ConvShape& shape) : shape_(shape), map_{LinearMap::Kind::transposed, shape.stride, shape.padding, {}, {}} {
  map_.weight = register_parameter("weight", at::empty({shape.in, shape.out, shape.kernel, shape.kernel}));
  if (shape.bias) map_.bias = register_parameter("bias", at::empty({shape.out}));
}
at::Tensor ConvTranspose2d::forward(const at::Tensor& x, const Pass&) {
  const auto image = x.dim() == 2 ? x.view({x.size(0), x.size(1), 1, 1}) : x;
  return at::conv_transpose2d(image, map_.weight, map_.bias, shape_.stride, shape_.padding);
}
std::string ConvTranspose2d::describe() const { return describe_conv("ConvTranspose2d", shape_); }
std::vector<Init> ConvTranspose2d::initial() const { return dcgan_start(shape_.bias); }

Linear::Linear(int64_t in, int64_t out, Start start, bool untrained_bias) : in_(in), out_(out), start_(start) {
  map_.weight = register_parameter("weight", at::empty({out, in}));
  map_.bias = register_parameter("bias", at::empty({out}), /*requires_grad=*/!untrained_bias);
}
at::Tensor Linear::forward(const at::Tensor& x, const Pass&) { return at::linear(x, map_.weight, map_.bias); }
std::string Linear::describe() const { return fmt::format("Linear({}, {})", in_, out_); }
std::vector<Init> Linear::initial() const {
  if (start_ == Start::dcgan) return dcgan_start(true);
  const double bound = 1.0 / std::sqrt(static_cast<double>(in_));
  return {Init::uniform(-bound, bound), Init::uniform(-bound, bound)};
}

// In place: no layer's backward needs its own output, so the values before the activation need not be kept.
at::Tensor LeakyReLU::forward(const at::Tensor& x, const Pass&) {
  auto y = x;
  return slope_ == 0.0 ? at::relu_(y) : at::leaky_relu_(y, slope_);
}
std::string LeakyReLU::describe() const { return slope_ == 0.0 ? "ReLU" : fmt::format("LeakyReLU({})", slope_); }

at::Tensor Tanh::forward(const at::Tensor& x, const Pass&) {
  auto y = x;
  return at::tanh_(y);
}

at::Tensor Reshape::forward(const at::Tensor& x, const Pass&) {
  std::vector<int64_t> shape{x.size(0)};
  shape.insert(shape.end(), shape_.begin(), shape_.end());
  return x.reshape(shape);
}
std::string Reshape::describe() const { return fmt::format("Reshape({})", fmt::join(shape_, ", ")); }

}  // namespace ganymede::nets
