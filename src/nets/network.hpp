// A generator or discriminator: a stack of numbered layers, so that names read as a PyTorch Sequential's ("0.weight").
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/rng.hpp"
#include "nets/batch_norm.hpp"
#include "nets/layers.hpp"

namespace ganymede::nets {

class Network final : public torch::nn::Module {
 public:
  explicit Network(std::string name) : name_(std::move(name)) {}
  /// "generator" or "discriminator": the name in files and messages.
  const std::string& network_name() const { return name_; }

  template <typename L, typename... Args>
  Network& add(Args&&... args) {
    layers_.push_back(register_module(std::to_string(layers_.size()), std::make_shared<L>(std::forward<Args>(args)...)));
    return *this;
  }

  /// generator: latents [B,Z] -> [B,C,H,W] or [B,F]; discriminator: those -> logits [B].
  at::Tensor forward(const at::Tensor& x, const Pass& pass = {});
  /// Draws every parameter by counter (purpose init): the same on all ranks. `index`: 0 generator, 1 discriminator.
  void initialize(const Rng& rng, int64_t index);
  /// Layers that mix samples take their sums over ranks from now on; batch norm only where `with_batch_norm`.
  void share_statistics(BatchStatistics* statistics, bool with_batch_norm = true);
  size_t size() const { return layers_.size(); }
  Layer& layer(size_t number) const { return *layers_.at(number); }
  /// Locked: no gradient for the weights is computed; gradients still flow through.
  void set_trainable(bool trainable);
  /// Those that are trained, in the order of parameters(); a bias in front of batch norm is not among them.
  std::vector<std::pair<std::string, at::Tensor>> trained_parameters() const;
  int64_t parameter_count() const;
  std::vector<std::string> describe() const;

 private:
  std::string name_;
  std::vector<std::shared_ptr<Layer>> layers_;
  std::vector<at::Tensor> locked_;  // the parameters that set_trainable(false) locked
};

}  // namespace ganymede::nets
