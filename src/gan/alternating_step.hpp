// One iteration: d_steps updates of D and g_steps updates of G, in an order that lets each network's all-reduce run behind
// computation that does not need it, with no stale gradient (design, "One step, and why its communication is free"):
//   D's real half | wait for G's gradient, update G | fakes, D's fake half, D's all-reduce starts | G forward |
//   wait for D's gradient, update D | D forward, backward into G, G's all-reduce starts.
// Between iterations G's last update is therefore still pending: whoever reads weights calls settle() first. How often that
// happens changes no bit, since the same operations run in the same order.
// What the players' losses are made of, and what is done to samples and updates, are lists (game.hpp) that no line here knows.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gan/average.hpp"
#include "gan/game.hpp"
#include "gan/hooks.hpp"
#include "gan/optimizer.hpp"
#include "gan/phases.hpp"
#include "gan/update_guard.hpp"

namespace ganymede::gan {

/// Where reals come from: called once for each D step, and once for each G step of a game whose G phase needs reals of its own.
struct RealSource {
  std::function<RealBatch()> for_discriminator, for_generator;
};

/// An iteration in figures. loss_*, d_* and terms are this rank's shares: summed over ranks they are means over the global batch
/// and over the iteration's steps. The others are global already, of the last step of each network.
struct StepTotals {
  double loss_d = 0, loss_g = 0;
  double d_real = 0, d_fake = 0;                      // mean sigmoid(logit), or the mean output where it is no logit
  std::vector<std::pair<std::string, double>> terms;  // of each further term, by its key
  double d_accuracy = 0;                              // this rank's share of ½(reals judged real + fakes judged fake)
  double grad_norm_d = 0, grad_norm_g = 0;
  double lr_d = 0, lr_g = 0;
  std::vector<std::pair<std::string, double>> figures;  // of hooks and controllers, the same on every rank
};

class AlternatingStep {
 public:
  /// Networks' weights are initialized and flat.
  AlternatingStep(const GameSetup& setup, std::shared_ptr<nets::Network> generator, std::shared_ptr<nets::Network> discriminator, GradientSync& sync,
                  Optimizer& generator_optimizer, Optimizer& discriminator_optimizer, Average& average, const Rng& rng);

  /// One iteration. `deadline_s` bounds each wait.
  void run(const RealSource& reals, double deadline_s);
  /// Finishes what is pending; weights, moments and average are then those after the last iteration.
  void settle(double deadline_s);

  /// After an exception, before load(): waits for reductions under way and forgets the iteration.
  void abandon(double deadline_s);
  UpdateGuard& guard() { return guard_; }

  /// Whether every G step draws reals of its own.
  bool needs_generator_reals() const { return generator_reals_ == GeneratorTerm::Reals::fresh; }
  void listen(PhaseListener* listener) { listener_ = listener; }
  /// Of the last iteration; settle() first.
  StepTotals totals() const;

  /// This rank's shares of D's losses, a D step each, since the last call; only counted after the first.
  std::vector<double> take_discriminator_losses();

  int64_t iterations_done() const { return iteration_; }
  /// Weights were given other values before the first step: hooks begin again with them.
  void start_again();
  /// State that is neither weights nor moments; settle() first.
  std::vector<FlatState> flat_state();
  void save(State& state) const;
  void load(const State& state, int64_t iterations_done);

 private:
  Fakes make_fakes(Player player, const Share& share, const at::Tensor& z, const at::Tensor& labels, bool with_graph);
  at::Tensor draw_latents(Purpose purpose, int64_t step, const Share& share) const;
  void discriminator_phases(const RealSource& reals, double deadline_s);
  void generator_phases(const RealSource& reals, double deadline_s);
  void finish_discriminator(double deadline_s);
  void finish_generator(double deadline_s);
  void apply(Player player, Phase& phase, double deadline_s);
  void check_losses(const PhaseRecord& record) const;
  bool must_leave_out(const PhaseRecord& record, double deadline_s);
  std::vector<const char*> keys(Player player) const;

  GameSetup setup_;
  std::shared_ptr<nets::Network> generator_, discriminator_;
  GradientSync& sync_;
  Optimizer &generator_optimizer_, &discriminator_optimizer_;
  Average& average_;
  const Rng& rng_;
  ClassPolicy classes_;
  Game game_;
  Judge judge_;
  std::unique_ptr<Passes> passes_;
  GeneratorTerm::Reals generator_reals_ = GeneratorTerm::Reals::none;
  Pace pace_;
  UpdateGuard guard_;
  PhaseListener* listener_ = nullptr;
  int64_t iteration_ = 0;                                         // iterations begun
  std::optional<RealBatch> next_batch_, last_batch_;              // g_first draws D's reals before G's phase needs their rows
  Fakes last_fakes_;                                              // of the last D step, where G's steps reuse them
  std::optional<Phase> pending_discriminator_, pending_generator_;  // reduction started, update not done
  std::optional<std::vector<double>> d_losses_;                   // once asked for
  std::vector<PhaseRecord> finished_;                             // the iteration's updated phases: losses and logits only
};

}  // namespace ganymede::gan
