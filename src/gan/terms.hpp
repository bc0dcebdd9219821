// The parts that a game is put together from. The D phase and the G phase run lists of them; none knows the others.
// A term's value is this rank's share: the sum over ranks is the number, so a mean is (1/N)·Σ over own rows, and what is already
// one number for the whole batch is divided by the number of ranks. N: rows of D in the global batch.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/state.hpp"
#include "gan/hooks.hpp"
#include "gan/scene.hpp"

namespace ganymede::gan {

/// A summand of D's loss. Undefined tensors mean: nothing to add.
class DiscriminatorTerm {
 public:
  virtual ~DiscriminatorTerm() = default;
  /// Its name in statistics, traces and messages.
  virtual const char* key() const = 0;

  /// What it wants of the other half. Where no term wants more than values, reals have their backward before there are fakes.
  enum class Together { no, values, graph };
  virtual Together together() const { return Together::no; }
  /// Whether on_real takes the gradient of D's outputs with respect to its input.
  virtual bool needs_input_gradient() const { return false; }

  virtual at::Tensor on_real(const Judged& real, const Judge& judge) { return {}; }
  virtual at::Tensor on_fake(const Judged& fake, const Judge& judge) { return {}; }
  /// After on_real and on_fake of the same rows. Pairs: `real` is the pair that D judged, `fake` holds the same with its members exchanged.
  virtual at::Tensor on_both(const Judged& real, const Judged& fake, const Judge& judge) { return {}; }
};

/// A summand of G's loss.
class GeneratorTerm {
 public:
  virtual ~GeneratorTerm() = default;
  virtual const char* key() const = 0;

  /// Reals that it compares fakes with: those of the last D step, or N new ones.
  enum class Reals { none, last, fresh };
  virtual Reals reals() const { return Reals::none; }
  /// The layer of D whose output it reads, numbered as in files; -1: none.
  virtual int64_t captured_layer() const { return -1; }
  virtual at::Tensor value(const Judged& fake, const Judged& real, const Judge& judge) = 0;
};

/// D's right answers among this rank's rows.
struct Hits {
  int64_t real = 0, fake = 0;
};

/// What both players are about: the first term of each.
class Adversary : public DiscriminatorTerm, public GeneratorTerm {
 public:
  const char* key() const override { return "loss"; }
  /// Of the D phase just done, whose outputs these are.
  virtual Hits hits(const at::Tensor& real_outputs, const at::Tensor& fake_outputs) = 0;
};

/// State laid out like a network's flat weights, saved parameter by parameter.
struct FlatState {
  std::string name;
  Player player;
  at::Tensor tensor;
};

/// Acts on weights and on the reduced gradient, which are the same on every rank. In the order of the calls:
class UpdateHook {
 public:
  virtual ~UpdateHook() = default;
  /// Before the first step.
  virtual void start(Player player, const FlatWeights& weights) {}
  /// The gradient is reduced: a term of the weights alone joins it. Its key and value, the same on every rank, if there is one.
  virtual std::optional<std::pair<std::string, double>> add(Player player, const FlatWeights& weights) { return {}; }
  /// It is finite, and its norm reported: it may be cut.
  virtual void limit(Player player, const FlatWeights& weights) {}
  /// The update is made, the network's step `steps_done`.
  virtual void after(Player player, const FlatWeights& weights, int64_t steps_done) {}
  virtual std::vector<FlatState> flat_state() { return {}; }
};

/// How fast each player moves.
struct Pace {
  int64_t d_steps = 1, g_steps = 1;  // per iteration
  double d_rate = 1.0;               // factor of D's learning rate
};

/// Watches D and steers. Called alike on every rank, so it may sum over ranks.
class Controller {
 public:
  virtual ~Controller() = default;
  /// After each D phase; the outputs are of this rank's rows.
  virtual void watch(const Hits& hits, const at::Tensor& real_outputs, const Judge& judge) {}
  /// After iteration `iteration`, counted from 1.
  virtual void steer(int64_t iteration, Pace& pace, const Judge& judge) {}
  virtual void save(State& state) const {}
  virtual void load(const State& state, Pace& pace) {}
  /// Keys and values for a row of statistics, the same on every rank.
  virtual std::vector<std::pair<std::string, double>> figures() const { return {}; }
};

}  // namespace ganymede::gan
