// The end of a discriminator into which the label enters as an inner product with the features:
//   ℓ(h,y) = b + ⟨w,h⟩ + ⟨e_y,h⟩.
// Miyato & Koyama 2018, "cGANs with Projection Discriminator", equation 4, with ψ linear.
#pragma once
#include "nets/layers.hpp"

namespace ganymede::nets {

/// h [B,F] and the classes of Pass::labels -> logits [B]. Parameters weight [1,F], bias [1], embedding.weight [K,F]; where weights
/// are spectrally normalized, both are. Throws Error(Fault::bug) where the pass has no class for each row.
class ProjectionHead final : public Layer {
 public:
  /// weight and bias start as a Linear's, the embedding Glorot-uniform: ±√(6/(K+F)), with equalized learning rate too.
  ProjectionHead(int64_t features, int64_t classes, Linear::Start start, const WeightRule& rule = {});
  at::Tensor forward(const at::Tensor& h, const Pass& pass) override;
  std::string describe() const override;
  std::vector<Init> initial() const override;
  /// Draws for `weight` at `place` and the next, for the embedding at the two behind: this layer is a network's last.
  void start(const Rng& rng, const Draw& draw, int64_t place) override;
  std::vector<std::pair<std::string, ScaledWeight*>> scaled_weights() override { return {{"embedding.", &embedded_}, {"", &weight_}}; }

 private:
  int64_t features_, classes_;
  Linear::Start start_;
  bool is_spectral_;
  std::shared_ptr<torch::nn::Module> embedding_;  // registered first, so that its parameters stand before parametrizations.weight
  ScaledWeight embedded_, weight_;
  at::Tensor bias_;
};

}  // namespace ganymede::nets
