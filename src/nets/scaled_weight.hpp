// How the weight that a layer stores becomes the one that it computes with: as it is, spectrally normalized (spectral_norm.hpp),
// or with equalized learning rate: stored N(0,1), used as w·gain/√fan_in (Karras et al. 2018, "Progressive Growing of GANs",
// section 4.1), so that Adam's steps are the same share of every layer's weights.
#pragma once
#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <memory>
#include <numbers>
#include <optional>
#include <string>
#include <vector>

#include "core/rng.hpp"
#include "nets/init.hpp"

namespace ganymede::nets {

class SpectralNorm;

struct WeightRule {
  enum class Kind { plain, spectral, equalized } kind = Kind::plain;
  double gain = std::numbers::sqrt2;  // equalized: √2 suits the activation behind the layer; 1 where none follows
  int64_t iterations = 1;             // spectral: power iterations of a training forward
};

/// One weight of a layer. Where it is spectrally normalized, the layer's parameter is parametrizations.weight.original, which
/// parameters() lists behind the layer's own (behind its bias); else `weight`.
class ScaledWeight {
 public:
  /// Registers the weight in `layer`, before its bias is. out_axis: see SpectralNorm; fan_in: inputs of one output.
  ScaledWeight(torch::nn::Module& layer, const std::vector<int64_t>& shape, int64_t out_axis, int64_t fan_in, const WeightRule& rule);
  /// The weight as this pass uses it: to be called once a forward, because a spectral norm in training moves on with each call.
  at::Tensor next();
  const at::Tensor& stored() const { return weight_; }
  /// How weight and bias start, in the order of parameters(); `weight` and `bias` are those of a plain layer.
  std::vector<Init> starts(const Init& weight, const std::optional<Init>& bias) const;
  /// After the weight was drawn: draws what the rule needs beside it, at `place` and the next.
  void start(const Rng& rng, const Draw& draw, int64_t place);
  /// What describe() adds: ", spectral norm".
  std::string describe() const;

 private:
  WeightRule rule_;
  double scale_ = 1.0;
  at::Tensor weight_;
  std::shared_ptr<SpectralNorm> spectral_;
};

}  // namespace ganymede::nets
