// What the alternating step asks of the outside: sums over ranks, and someone who listens. `parallel` and `train` implement it.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/deadline.hpp"

namespace ganymede::gan {

enum class Player { generator, discriminator };
inline const char* name_of(Player player) { return player == Player::generator ? "generator" : "discriminator"; }

/// A network's trained weights and their gradients, each one contiguous tensor that the parameters (and their grad) are views of.
struct FlatWeights {
  at::Tensor parameters, gradients;
};

/// Sums a network's gradient over ranks, once a phase, behind computation that does not need it.
class GradientSync {
 public:
  virtual ~GradientSync() = default;
  virtual FlatWeights weights(Player player) = 0;
  /// Before the last backward of a phase: parts of the gradient may be summed as soon as that backward has written them.
  virtual void arm(Player player, Deadline deadline) {}
  /// After the last backward of a phase: the sum of what is left begins. The gradient belongs to the sync until finish() returns.
  virtual void start(Player player, Deadline deadline) = 0;
  /// Returns when every rank holds the same sum.
  virtual void finish(Player player, Deadline deadline) = 0;
  /// After finish(), where the sum is not finite: which parameters, and which ranks it came from, in words. found_here: what else this rank
  /// knows, or empty. Collective; the same text on every rank.
  virtual std::string origin_of_not_finite(Player player, const std::string& found_here, Deadline deadline) = 0;
  /// After an in-place update of the flat weights, which autograd cannot see.
  virtual void mark_updated(Player player) = 0;
};

/// What one optimizer step of one network looked like; tensors of this rank's rows, scalars not yet summed over ranks.
struct PhaseRecord {
  Player player;
  int64_t step = 0;         // steps this network had done before
  int64_t iteration = 0, turn = 0;  // which step of its player in which iteration, from 0
  int64_t first_place = 0;  // of this rank's first row in the global batch
  at::Tensor real, real_index, labels;  // undefined where the phase saw no reals of its own
  at::Tensor latents, fake_labels;
  at::Tensor logit_real, logit_fake;  // of D's rows; with pairs logit_real is the pair's, and `slots` says where the real stands
  at::Tensor slots;
  double loss = 0;                                    // this rank's share of (1/N)·Σ; summed over ranks it is the global loss
  std::vector<std::pair<std::string, double>> terms;  // likewise, of each further term
  std::vector<std::pair<std::string, double>> weight_terms;  // of the weights alone: not a share, the same on every rank
  double gradient_norm = 0;  // of the sum over ranks, before clipping
};

/// Listens to every phase (run.trace, tests): called when the reduced gradient is there, before clipping and the update.
class PhaseListener {
 public:
  virtual ~PhaseListener() = default;
  virtual void on_gradient(const PhaseRecord& record, const at::Tensor& flat_gradient) = 0;
};

}  // namespace ganymede::gan
