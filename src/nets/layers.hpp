// The layers that networks are stacked from. Parameter names and layouts are those of the PyTorch modules of the same name,
// so that a state_dict and our files can be compared name by name.
// Shapes: B samples on this rank, C channels, H height, W width, F features.
#pragma once
#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nets/pass.hpp"

namespace ganymede::nets {

/// How a weight gets its first value; drawn by counter, see initialize().
struct Init {
  enum class Kind { constant, normal, uniform } kind = Kind::constant;
  double a = 0.0;  // constant: the value; normal: mean; uniform: lower bound
  double b = 0.0;  // normal: standard deviation; uniform: upper bound
  static Init constant(double value) { return {Kind::constant, value, 0.0}; }
  static Init normal(double mean, double std) { return {Kind::normal, mean, std}; }
  static Init uniform(double lo, double hi) { return {Kind::uniform, lo, hi}; }
};

/// A layer that is linear in its input, seen from the activation in front of it (see block.hpp).
struct LinearMap {
  enum class Kind { convolution, transposed, matrix } kind = Kind::matrix;
  int64_t stride = 1, padding = 0;
  at::Tensor weight, bias;  // bias undefined where there is none
};

class BatchStatistics;

class Layer : public torch::nn::Module {
 public:
  virtual at::Tensor forward(const at::Tensor& x, const Pass& pass) = 0;
  /// One line for `config show` and logs, as "ConvTranspose2d(100, 256, kernel 4, stride 1, padding 0)".
  virtual std::string describe() const = 0;
  /// In the order of parameters(): how each starts.
  virtual std::vector<Init> initial() const { return {}; }
  /// Where the layer is nothing but a linear map: the map as this pass uses it (a normalized weight is made anew for each).
  virtual std::optional<LinearMap> linear_map() { return std::nullopt; }
  /// Layers that mix samples take their sums over ranks from here; nullptr: one process. Kept by reference.
  virtual void share_statistics(BatchStatistics* statistics) {}
};

struct ConvShape {
  int64_t in = 1, out = 1, kernel = 4, stride = 2, padding = 1;
  bool bias = false;
};

/// [B,in,H,W] -> [B,out,⌊(H+2p−k)/s⌋+1,…]; weight [out,in,k,k].
class Conv2d final : public Layer {
 public:
  explicit Conv2d(const ConvShape& shape);
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  std::string describe() const override;
  std::vector<Init> initial() const override;
  std::optional<LinearMap> linear_map() override { return map_; }

 private:
  ConvShape shape_;
  LinearMap map_;
};

/// [B,in,H,W] -> [B,out,(H−1)s−2p+k,…]; weight [in,out,k,k]. Latents [B,in] count as pictures of one pixel.
class ConvTranspose2d final : public Layer {
 public:
  explicit ConvTranspose2d(const ConvShape& shape);
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  std::string describe() const override;
  std::vector<Init> initial() const override;
  std::optional<LinearMap> linear_map() override { return map_; }

 private:
  ConvShape shape_;
  LinearMap map_;
};

/// [B,in] -> [B,out]; weight [out,in].
class Linear final : public Layer {
 public:
  enum class Start { dcgan, torch_default };  // N(0, 0.02²) with bias 0, or uniform ±1/√in for both
  /// untrained_bias: the bias is counted and kept in files but stays 0, because batch norm follows and removes it.
  Linear(int64_t in, int64_t out, Start start, bool untrained_bias = false);
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  std::string describe() const override;
  std::vector<Init> initial() const override;
  std::optional<LinearMap> linear_map() override { return map_; }

 private:
  int64_t in_, out_;
  Start start_;
  LinearMap map_;
};

/// f(x) = x for x > 0, slope·x otherwise; slope 0 is ReLU. Overwrites its input.
class LeakyReLU final : public Layer {
 public:
  explicit LeakyReLU(double slope) : slope_(slope) {}
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  std::string describe() const override;
  double slope() const { return slope_; }

 private:
  double slope_;
};

/// Overwrites its input.
class Tanh final : public Layer {
 public:
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  std::string describe() const override { return "Tanh"; }
};

/// [B, …] -> [B, shape…].
class Reshape final : public Layer {
 public:
  explicit Reshape(std::vector<int64_t> shape) : shape_(std::move(shape)) {}
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  std::string describe() const override;

 private:
  std::vector<int64_t> shape_;
};

}  // namespace ganymede::nets
