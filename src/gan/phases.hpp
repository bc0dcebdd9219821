// The gradients of one phase: which passes through D it takes, and what is added up on each.
//   separate  reals and fakes in two passes; the reals' backward needs no fakes, unless a term compares both
//   joint     both as rows of one pass: cheaper for small networks, another function where a layer mixes samples
//   paired    a real and a fake side by side in one row, in an order drawn by counter: exactly half of the reals stand first
//             (slots: places below N/2 of a permutation keyed by the step; purpose labels, index 3 in the D phase, 4 in the G phase)
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "gan/game.hpp"

namespace ganymede::gan {

/// One optimizer step in the making.
struct Phase {
  PhaseRecord record;
  RealBatch reals;  // D's; in a G phase those that its terms want, else only the share counts
  std::vector<at::Tensor> values;  // of each term, 0-d, detached; read when the step is finished
  std::vector<Judged> kept;        // D phase: the reals of each micro-batch, as far as the fakes' half needs them
  at::Tensor kept_loss;            // and what was added up on them, where its backward waits
};

/// Fakes of this rank's share.
struct Fakes {
  std::vector<at::Tensor> micro;  // one a micro-batch; with their graph where they are reused
  at::Tensor latents, labels;
};

/// Called before the last backward of a phase: what it has written of the gradient is complete.
using BeforeLastBackward = std::function<void()>;

class Passes {
 public:
  virtual ~Passes() = default;
  /// D's share of the work that needs no fakes. D's gradient holds zeros.
  virtual void before_fakes(Phase& phase) = 0;
  virtual void with_fakes(Phase& phase, const Fakes& fakes, const BeforeLastBackward& arm) = 0;
  /// G's gradient, through locked weights of D.
  virtual void generator(Phase& phase, const Fakes& fakes, const BeforeLastBackward& arm) = 0;
};

/// Both are kept by reference.
std::unique_ptr<Passes> make_passes(ObjectiveConfig::DBatch how, const Game& game, const Judge& judge);

}  // namespace ganymede::gan
