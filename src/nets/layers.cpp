#include "nets/layers.hpp"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/elu.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/tanh.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

namespace ganymede::nets {
namespace {

// DCGAN: weights N(0, 0.02²), biases 0 (Radford et al. 2016, section 3).
std::vector<Init> dcgan_start(const ScaledWeight& weight, bool bias) {
  return weight.starts(Init::normal(0.0, 0.02), bias ? std::optional(Init::constant(0.0)) : std::nullopt);
}

at::Tensor bias_of(Layer& layer, int64_t out, bool bias, bool untrained) {
  return bias ? layer.register_parameter("bias", at::empty({out}), /*requires_grad=*/!untrained) : at::Tensor();
}

std::string describe_conv(const char* name, const ConvShape& s, const ScaledWeight& weight) {
  const auto further = s.output_padding > 0 ? fmt::format(", output padding {}", s.output_padding) : "";
  return fmt::format("{}({}, {}, kernel {}, stride {}, padding {}{}{}{})", name, s.in, s.out, s.kernel, s.stride, s.padding, further,
                     s.bias ? ", bias" : "", weight.describe());
}

}  // namespace

Conv2d::Conv2d(const ConvShape& s, const WeightRule& rule)
    : shape_(s), weight_(*this, {s.out, s.in, s.kernel, s.kernel}, 0, s.in * s.kernel * s.kernel, rule),
      bias_(bias_of(*this, s.out, s.bias, s.untrained_bias)) {}
std::optional<LinearMap> Conv2d::linear_map() {
  return LinearMap{LinearMap::Kind::convolution, shape_.stride, shape_.padding, weight_.next(), bias_};
}
at::Tensor Conv2d::forward(const at::Tensor& x, const Pass&) { return at::conv2d(x, weight_.next(), bias_, shape_.stride, shape_.padding); }
std::string Conv2d::describe() const { return describe_conv("Conv2d", shape_, weight_); }
std::vector<Init> Conv2d::initial() const { return dcgan_start(weight_, shape_.bias); }

ConvTranspose2d::ConvTranspose2d(const ConvShape& s, const WeightRule& rule)
    : shape_(s), weight_(*this, {s.in, s.out, s.kernel, s.kernel}, 1, s.in * s.kernel * s.kernel, rule),
      bias_(bias_of(*this, s.out, s.bias, s.untrained_bias)) {}
std::optional<LinearMap> ConvTranspose2d::linear_map() {
  return LinearMap{LinearMap::Kind::transposed, shape_.stride, shape_.padding, weight_.next(), bias_, shape_.output_padding};
}
at::Tensor ConvTranspose2d::forward(const at::Tensor& x, const Pass&) {
  const auto image = x.dim() == 2 ? x.view({x.size(0), x.size(1), 1, 1}) : x;
  return at::conv_transpose2d(image, weight_.next(), bias_, shape_.stride, shape_.padding, shape_.output_padding);
}
std::string ConvTranspose2d::describe() const { return describe_conv("ConvTranspose2d", shape_, weight_); }
std::vector<Init> ConvTranspose2d::initial() const { return dcgan_start(weight_, shape_.bias); }

Linear::Linear(int64_t in, int64_t out, Start start, bool untrained_bias, const WeightRule& rule, bool has_bias)
    : in_(in), out_(out), start_(start), untrained_bias_(untrained_bias), weight_(*this, {out, in}, 0, in, rule),
      bias_(bias_of(*this, out, has_bias, untrained_bias)) {}
std::optional<LinearMap> Linear::linear_map() { return LinearMap{LinearMap::Kind::matrix, 1, 0, weight_.next(), bias_}; }
at::Tensor Linear::forward(const at::Tensor& x, const Pass&) { return at::linear(x, weight_.next(), bias_); }
std::string Linear::describe() const {
  return fmt::format("Linear({}, {}{}{})", in_, out_, bias_.defined() ? "" : ", no bias", weight_.describe());
}
std::vector<Init> Linear::initial() const {
  const auto starts = [&](const Init& weight, const Init& bias) {
    return weight_.starts(weight, bias_.defined() ? std::optional(untrained_bias_ ? Init::constant(0.0) : bias) : std::nullopt);
  };
  if (start_ == Start::dcgan) return starts(Init::normal(0.0, 0.02), Init::constant(0.0));
  if (start_ == Start::he || start_ == Start::glorot) {
    const double reach = std::sqrt(6.0 / static_cast<double>(start_ == Start::he ? in_ : in_ + out_));
    return starts(Init::uniform(-reach, reach), Init::constant(0.0));
  }
  const double bound = 1.0 / std::sqrt(static_cast<double>(in_));
  return starts(Init::uniform(-bound, bound), Init::uniform(-bound, bound));
}

// In place: no layer's backward needs its own output, so the values before the activation need not be kept.
at::Tensor LeakyReLU::forward(const at::Tensor& x, const Pass&) {
  auto y = x;
  return slope_ == 0.0 ? at::relu_(y) : at::leaky_relu_(y, slope_);
}
std::string LeakyReLU::describe() const { return slope_ == 0.0 ? "ReLU" : fmt::format("LeakyReLU({})", slope_); }

at::Tensor Elu::forward(const at::Tensor& x, const Pass&) {
  auto y = x;
  return at::elu_(y);
}

at::Tensor Maxout::forward(const at::Tensor& x, const Pass&) {
  return std::get<0>(at::max(x.reshape({x.size(0), x.size(1) / pieces_, pieces_}), 2));
}
std::string Maxout::describe() const { return fmt::format("Maxout({})", pieces_); }

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
