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
#include <utility>
#include <vector>

#include "nets/init.hpp"
#include "nets/pass.hpp"
#include "nets/scaled_weight.hpp"

namespace ganymede::nets {

/// A layer that is linear in its input, seen from the activation in front of it (see block.hpp).
struct LinearMap {
  enum class Kind { convolution, transposed, matrix } kind = Kind::matrix;
  int64_t stride = 1, padding = 0;
  at::Tensor weight, bias;  // bias undefined where there is none
  int64_t output_padding = 0;
};

class BatchStatistics;

class Layer : public torch::nn::Module {
 public:
  virtual at::Tensor forward(const at::Tensor& x, const Pass& pass) = 0;
  /// One line for `config show` and logs, as "ConvTranspose2d(100, 256, kernel 4, stride 1, padding 0)".
  virtual std::string describe() const = 0;
  /// In the order of parameters(): how each starts.
  virtual std::vector<Init> initial() const { return {}; }
  /// After the parameters were drawn: what follows from them. Draws, of purpose init, stand at `place` and behind.
  virtual void start(const Rng& rng, const Draw& draw, int64_t place) {}
  /// Where the layer is nothing but a linear map: the map as this pass uses it (a normalized weight is made anew for each).
  /// Once a forward, by whoever computes it.
  virtual std::optional<LinearMap> linear_map() { return std::nullopt; }
  /// Its weights that are used otherwise than they are stored, each with what its plain name begins with ("" for `weight`).
  virtual std::vector<std::pair<std::string, ScaledWeight*>> scaled_weights() { return {}; }
  /// forward() overwrites its input.
  virtual bool is_in_place() const { return false; }
  /// Layers that mix samples take their sums over ranks from here; nullptr: one process. Kept by reference.
  virtual void share_statistics(BatchStatistics* statistics) {}
};

struct ConvShape {
  int64_t in = 1, out = 1, kernel = 4, stride = 2, padding = 1;
  bool bias = false;
  bool untrained_bias = false;  // counted and kept in files, but stays 0, because a norm follows that removes it
  int64_t output_padding = 0;   // transposed: further rows and columns at the far border
};

/// [B,in,H,W] -> [B,out,⌊(H+2p−k)/s⌋+1,…]; weight [out,in,k,k].
class Conv2d final : public Layer {
 public:
  explicit Conv2d(const ConvShape& shape, const WeightRule& rule = {});
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  std::string describe() const override;
  std::vector<Init> initial() const override;
  void start(const Rng& rng, const Draw& draw, int64_t place) override { weight_.start(rng, draw, place); }
  std::optional<LinearMap> linear_map() override;
  std::vector<std::pair<std::string, ScaledWeight*>> scaled_weights() override { return {{"", &weight_}}; }

 private:
  ConvShape shape_;
  ScaledWeight weight_;
  at::Tensor bias_;
};

/// [B,in,H,W] -> [B,out,(H−1)s−2p+k+output_padding,…]; weight [in,out,k,k]. Latents [B,in] count as pictures of one pixel.
class ConvTranspose2d final : public Layer {
 public:
  explicit ConvTranspose2d(const ConvShape& shape, const WeightRule& rule = {});
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  std::string describe() const override;
  std::vector<Init> initial() const override;
  void start(const Rng& rng, const Draw& draw, int64_t place) override { weight_.start(rng, draw, place); }
  std::optional<LinearMap> linear_map() override;
  std::vector<std::pair<std::string, ScaledWeight*>> scaled_weights() override { return {{"", &weight_}}; }

 private:
  ConvShape shape_;
  ScaledWeight weight_;
  at::Tensor bias_;
};

/// [B,in] -> [B,out]; weight [out,in].
class Linear final : public Layer {
 public:
  // dcgan: N(0, 0.02²) with bias 0; torch_default: uniform ±1/√in for both; he: uniform ±√(6/in), bias 0; glorot: ±√(6/(in+out)), bias 0
  enum class Start { dcgan, torch_default, he, glorot };
  /// untrained_bias: as in ConvShape.
  Linear(int64_t in, int64_t out, Start start, bool untrained_bias = false, const WeightRule& rule = {}, bool has_bias = true);
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  std::string describe() const override;
  std::vector<Init> initial() const override;
  void start(const Rng& rng, const Draw& draw, int64_t place) override { weight_.start(rng, draw, place); }
  std::optional<LinearMap> linear_map() override;
  std::vector<std::pair<std::string, ScaledWeight*>> scaled_weights() override { return {{"", &weight_}}; }

 private:
  int64_t in_, out_;
  Start start_;
  bool untrained_bias_;
  ScaledWeight weight_;
  at::Tensor bias_;
};

/// f(x) = x for x > 0, slope·x otherwise; slope 0 is ReLU. Overwrites its input.
class LeakyReLU final : public Layer {
 public:
  explicit LeakyReLU(double slope) : slope_(slope) {}
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  std::string describe() const override;
  bool is_in_place() const override { return true; }
  double slope() const { return slope_; }

 private:
  double slope_;
};

/// x for x > 0, eˣ − 1 otherwise (Clevert et al. 2016, "Fast and Accurate Deep Network Learning by Exponential Linear Units",
/// equation 15 with α = 1). Overwrites its input.
class Elu final : public Layer {
 public:
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  std::string describe() const override { return "ELU"; }
  bool is_in_place() const override { return true; }
};

/// The largest of each `pieces` consecutive numbers, of equal ones the first: [B,F·pieces] -> [B,F]. With a Linear in front of it a
/// layer of F units that learn their activation. Goodfellow et al. 2013, "Maxout Networks".
class Maxout final : public Layer {
 public:
  explicit Maxout(int64_t pieces) : pieces_(pieces) {}
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  std::string describe() const override;

 private:
  int64_t pieces_;
};

/// Overwrites its input.
class Tanh final : public Layer {
 public:
  at::Tensor forward(const at::Tensor& x, const Pass& pass) override;
  std::string describe() const override { return "Tanh"; }
  bool is_in_place() const override { return true; }
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
