// One iteration: d_steps updates of D, then g_steps updates of G, in an order that lets each network's all-reduce run behind
// computation that does not need it, with no stale gradient (design, "One step, and why its communication is free"):
//   D's real half | wait for G's gradient, update G | fakes, D's fake half, D's all-reduce starts | G forward |
//   wait for D's gradient, update D | D forward, backward into G, G's all-reduce starts.
// Between iterations G's last update is therefore still pending: whoever reads weights calls settle() first. How often that
// happens changes no bit, since the same operations run in the same order.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "gan/average.hpp"
#include "gan/hooks.hpp"
#include "gan/losses.hpp"
#include "gan/optimizer.hpp"
#include "nets/architectures.hpp"

namespace ganymede::gan {

struct ObjectiveConfig {
  Loss loss = Loss::non_saturating;
  LossScale d_loss = LossScale::sum;
  int64_t d_steps = 1;
  int64_t g_steps = 1;
  enum class Order { d_first } order = Order::d_first;
  enum class DBatch { separate, joint } d_batch = DBatch::separate;  // joint: reals and fakes in one pass through D
  int64_t accumulate = 1;  // micro-batches per update
};
void describe(config::Fields& fields, ObjectiveConfig& c);

struct TricksConfig {
  bool reuse_fakes = false;  // G's steps take the latents of the last D step, the first one also its fakes
};
void describe(config::Fields& fields, TricksConfig& c);

enum class Precision { float32, bf16, float64 };
inline at::ScalarType scalar_type(Precision precision) { return precision == Precision::float64 ? at::kDouble : at::kFloat; }

/// This rank's rows of the reals of one D step, in the order of the global batch.
struct RealBatch {
  at::Tensor samples;                            // [B,C,H,W] or [B,F] in the run's precision
  at::Tensor real_index, labels;                 // [B]; labels undefined where there are none
  int64_t first_place = 0;                       // of the first row, in the global batch
  std::vector<std::vector<int64_t>> micro_rows;  // the rows of each micro-batch; empty where there is only one
};

struct StepSetup {
  ObjectiveConfig objective;
  TricksConfig tricks;
  nets::LatentConfig latent;
  Precision precision = Precision::float32;
  int64_t global_batch = 0;
};

/// An iteration in figures. The first four are this rank's shares: summed over ranks they are means over the global batch
/// and over the iteration's steps. The others are global already, of the last step of each network.
struct StepTotals {
  double loss_d = 0, loss_g = 0;
  double d_real = 0, d_fake = 0;  // mean sigmoid(logit), or the mean output where it is no logit
  double grad_norm_d = 0, grad_norm_g = 0;
  double lr_d = 0, lr_g = 0;
};

class AlternatingStep {
 public:
  AlternatingStep(const StepSetup& setup, std::shared_ptr<nets::Network> generator, std::shared_ptr<nets::Network> discriminator, GradientSync& sync,
                  Optimizer& generator_optimizer, Optimizer& discriminator_optimizer, Average& average, const Rng& rng);

  /// One iteration. `next_real` is called d_steps times. `deadline_s` bounds each wait.
  void run(const std::function<RealBatch()>& next_real, double deadline_s);
  /// Finishes what is pending; weights, moments and average are then those after the last iteration.
  void settle(double deadline_s);

  void listen(PhaseListener* listener) { listener_ = listener; }
  /// Of the last iteration; settle() first.
  StepTotals totals() const;

 private:
  struct Phase {  // one optimizer step in the making
    PhaseRecord record;
    at::Tensor loss;  // 0-d, detached; read when the step is finished
  };
  struct Fakes {
    std::vector<at::Tensor> micro;  // one a micro-batch; with their graph where they are reused
    at::Tensor latents;
  };
  int64_t rows() const { return batch_.samples.size(0); }
  at::Tensor micro(const at::Tensor& all, size_t m) const;
  at::Tensor joined(const std::vector<at::Tensor>& parts) const;
  at::Tensor draw_latents(Purpose purpose, int64_t step) const;
  at::Tensor forward(nets::Network& network, const at::Tensor& x) const;
  Fakes make_fakes(const at::Tensor& z, bool with_graph);
  at::Tensor pass_through_discriminator(Phase& phase, const std::function<at::Tensor(size_t)>& input,
                                        const std::function<at::Tensor(const at::Tensor&)>& loss_of);
  void real_half(Phase& phase);
  void fake_half(Phase& phase, const Fakes& fakes);
  void joint_pass(Phase& phase, const Fakes& fakes);
  void generator_half(Phase& phase, const Fakes& fakes);
  void finish_discriminator(double deadline_s);
  void finish_generator(double deadline_s);
  void apply(Player player, Phase& phase, double deadline_s);
  size_t micro_count() const { return batch_.micro_rows.empty() ? 1 : batch_.micro_rows.size(); }

  StepSetup setup_;
  std::shared_ptr<nets::Network> generator_, discriminator_;
  GradientSync& sync_;
  Optimizer &generator_optimizer_, &discriminator_optimizer_;
  Average& average_;
  const Rng& rng_;
  PhaseListener* listener_ = nullptr;
  RealBatch batch_;                                               // of the D step under way
  std::optional<Phase> pending_discriminator_, pending_generator_;  // reduction started, update not done
  std::vector<PhaseRecord> finished_;                             // the iteration's updated phases: losses and logits only
};

}  // namespace ganymede::gan
