// A network's trained weights as one contiguous tensor, their gradients as another: parameters and their grad are views.
// Views stand in backward order (last layer first), each on a boundary of 64 bytes; the gaps hold zeros for ever.
// One tensor means one all-reduce, one fused optimizer step, one finite check.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "gan/hooks.hpp"
#include "nets/network.hpp"

namespace ganymede::parallel {

class FlatNetwork {
 public:
  /// Moves the trained parameters of `network` into one tensor. with_gradients = false for a network that is never trained.
  FlatNetwork(std::shared_ptr<nets::Network> network, bool with_gradients);

  struct Slot {
    std::string name;
    int64_t offset = 0;  // elements from the start of the flat tensor
    at::Tensor parameter;
  };
  const std::vector<Slot>& slots() const { return slots_; }
  const gan::FlatWeights& weights() const { return weights_; }
  /// The gradients and, behind them, a few lanes for flags that are to be summed in the same all-reduce.
  const at::Tensor& reduced() const { return reduced_; }
  at::Tensor flags() const { return reduced_.narrow(0, weights_.gradients.size(0), flag_lanes); }
  static constexpr int64_t flag_lanes = 16;
  const std::shared_ptr<nets::Network>& network() const { return network_; }
  /// The part of a tensor laid out like the flat weights that belongs to `slot`, in the parameter's shape.
  at::Tensor view(const at::Tensor& flat, const Slot& slot) const;
  /// Throws Error(Fault::bug) if a gradient no longer lies in the flat tensor (someone bound a fresh one).
  void check_aliases() const;
  /// In-place updates of the flat tensor are invisible to autograd, whose parameters count their own versions.
  void mark_updated() const;
  /// One line a slot: equal on all ranks or the run must not start.
  std::string layout() const;

 private:
  std::shared_ptr<nets::Network> network_;
  std::vector<Slot> slots_;
  gan::FlatWeights weights_;
  at::Tensor reduced_;
};

}  // namespace ganymede::parallel
