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

  /// generator: latents [B,Z] -> [B,C,H,W] or [B,F]; discriminator: those -> logits [B]. A network with virtual batch norm sends its
  /// reference batch through as a last range, of class 0, whose results nobody sees (pass.labels are those of x). x is never
  /// overwritten.
  at::Tensor forward(const at::Tensor& x, const Pass& pass = {});
  /// Draws every parameter by counter (purpose init): the same on all ranks. `index`: 0 generator, 1 discriminator.
  void initialize(const Rng& rng, int64_t index);
  /// Layers that mix samples take their sums over ranks from now on; batch norm only where `with_batch_norm`.
  void share_statistics(BatchStatistics* statistics, bool with_batch_norm = true);
  /// Whether it has virtual batch norm, and so a reference batch: room for it is made with the network, as buffers `reference` and
  /// `has_reference`; rows [n, …] as forward's x are set once, by hand or by loading a file.
  bool needs_reference() const;
  void reserve_reference(at::IntArrayRef sizes);
  bool has_reference() const;
  int64_t reference_rows() const { return reference_.defined() ? reference_.size(0) : 0; }
  /// Throws Error(Fault::bug) where the shape is not the reserved one.
  void set_reference(const at::Tensor& rows);
  /// So that it is set once more, from other data.
  void forget_reference();
  size_t size() const { return layers_.size(); }
  Layer& layer(size_t number) const { return *layers_.at(number); }
  /// Locked: no gradient for the weights is computed; gradients still flow through.
  void set_trainable(bool trainable);
  /// The first `layers` layers that have weights keep them: they are not trained from now on. Before trained_parameters().
  void freeze(int64_t layers);
  /// Those that are trained, in the order of parameters(); a bias in front of batch norm is not among them.
  std::vector<std::pair<std::string, at::Tensor>> trained_parameters() const;
  int64_t parameter_count() const;
  std::vector<std::string> describe() const;

 private:
  std::string name_;
  std::vector<std::shared_ptr<Layer>> layers_;
  at::Tensor run_layers(const at::Tensor& x, const Pass& pass);
  at::Tensor reference_, has_reference_;  // undefined until reserved
  std::vector<at::Tensor> locked_;  // the parameters that set_trainable(false) locked
};

}  // namespace ganymede::nets
