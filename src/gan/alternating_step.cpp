#include "gan/alternating_step.hpp"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

#include "config/fields.hpp"
#include "core/error.hpp"

namespace ganymede::gan {
namespace {

// bf16 autocast over one forward. The cache of cast weights is dropped after each: a second forward in one region would use
// stale weights after an update, and weights cast without graph would delay all gradients to the end of backward.
class Autocast {
 public:
  explicit Autocast(bool on) : on_(on) {
    if (!on_) return;
    before_ = at::autocast::is_autocast_enabled(at::kCPU);
    at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
    at::autocast::set_autocast_enabled(at::kCPU, true);
  }
  ~Autocast() {
    if (!on_) return;
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(at::kCPU, before_);
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  bool on_, before_ = false;
};

class Locked {
 public:
  explicit Locked(nets::Network& network) : network_(network) { network_.set_trainable(false); }
  ~Locked() { network_.set_trainable(true); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  nets::Network& network_;
};

double score_sum(const at::Tensor& outputs, Loss loss) {
  const auto wide = outputs.detach().to(at::kDouble);
  return (gives_logits(loss) ? wide.sigmoid() : wide).sum().item<double>();
}

}  // namespace

void describe(config::Fields& fields, ObjectiveConfig& c) {
  using Order = ObjectiveConfig::Order;
  using DBatch = ObjectiveConfig::DBatch;
  fields.choice("loss", c.loss, {{"non_saturating", Loss::non_saturating},
                                  {"minimax", Loss::minimax},
                                  {"wasserstein", Loss::wasserstein},
                                  {"hinge", Loss::hinge},
                                  {"least_squares", Loss::least_squares}},
                "both players' losses (gan/losses.hpp)");
  fields.choice("d_loss", c.d_loss, {{"sum", LossScale::sum}, {"half", LossScale::half}}, "mean over reals plus mean over fakes, or half of it");
  fields.integer("d_steps", c.d_steps, "D updates per iteration").at_least(1).at_most(65536);
  fields.integer("g_steps", c.g_steps, "G updates per iteration").at_least(1).at_most(65536);
  fields.choice("order", c.order, {{"d_first", Order::d_first}}, "which player moves first");
  fields.choice("d_batch", c.d_batch, {{"separate", DBatch::separate}, {"joint", DBatch::joint}}, "reals and fakes in two passes through D, or in one");
  fields.integer("accumulate", c.accumulate, "micro-batches per update").at_least(1);
}

void describe(config::Fields& fields, TricksConfig& c) {
  fields.flag("reuse_fakes", c.reuse_fakes, "G's steps take the latents of the last D step, the first one also its fakes");
}

AlternatingStep::AlternatingStep(const StepSetup& setup, std::shared_ptr<nets::Network> generator, std::shared_ptr<nets::Network> discriminator,
                                 GradientSync& sync, Optimizer& generator_optimizer, Optimizer& discriminator_optimizer, Average& average, const Rng& rng)
    : setup_(setup), generator_(std::move(generator)), discriminator_(std::move(discriminator)), sync_(sync), generator_optimizer_(generator_optimizer),
      discriminator_optimizer_(discriminator_optimizer), average_(average), rng_(rng) {}

at::Tensor AlternatingStep::micro(const at::Tensor& all, size_t m) const {
  if (batch_.micro_rows.empty()) return all;
  return all.index_select(0, at::tensor(batch_.micro_rows[m], at::kLong));
}

// The inverse of micro(): one value a row, back in the order of the batch.
at::Tensor AlternatingStep::joined(const std::vector<at::Tensor>& parts) const {
  if (batch_.micro_rows.empty()) return parts.front();
  auto all = at::empty({rows()}, parts.front().options());
  for (size_t m = 0; m < parts.size(); ++m) all.index_copy_(0, at::tensor(batch_.micro_rows[m], at::kLong), parts[m]);
  return all;
}

at::Tensor AlternatingStep::draw_latents(Purpose purpose, int64_t step) const {
  return nets::latents(rng_, setup_.latent, Draw{purpose, step, 0}, batch_.first_place, rows(), scalar_type(setup_.precision));
}

at::Tensor AlternatingStep::forward(nets::Network& network, const at::Tensor& x) const {
  Autocast autocast(setup_.precision == Precision::bf16);
  return network.forward(x);
}

AlternatingStep::Fakes AlternatingStep::make_fakes(const at::Tensor& z, bool with_graph) {
  Fakes fakes{{}, z};
  at::AutoGradMode graph(with_graph);
  for (size_t m = 0; m < micro_count(); ++m) fakes.micro.push_back(forward(*generator_, micro(z, m)));
  return fakes;
}

// D over each micro-batch, and backward from its loss, which joins the phase's; the logits in the order of the batch.
at::Tensor AlternatingStep::pass_through_discriminator(Phase& phase, const std::function<at::Tensor(size_t)>& input,
                                                       const std::function<at::Tensor(const at::Tensor&)>& loss_of) {
  std::vector<at::Tensor> all;
  for (size_t m = 0; m < micro_count(); ++m) {
    const auto logits = forward(*discriminator_, input(m)).to(scalar_type(setup_.precision));
    const auto loss = loss_of(logits);
    loss.backward();
    all.push_back(logits.detach());
    phase.loss += loss.detach();
  }
  return joined(all);
}

void AlternatingStep::real_half(Phase& phase) {
  sync_.weights(Player::discriminator).gradients.zero_();
  phase.record.logit_real = pass_through_discriminator(
      phase, [&](size_t m) { return micro(batch_.samples, m); },
      [&](const at::Tensor& logits) { return discriminator_real_loss(logits, setup_.objective.loss, setup_.objective.d_loss, setup_.global_batch); });
}

void AlternatingStep::fake_half(Phase& phase, const Fakes& fakes) {
  phase.record.logit_fake = pass_through_discriminator(
      phase, [&](size_t m) { return fakes.micro[m].detach(); },
      [&](const at::Tensor& logits) { return discriminator_fake_loss(logits, setup_.objective.loss, setup_.objective.d_loss, setup_.global_batch); });
}

// Reals and fakes as 2B rows of one pass: cheaper for small networks, another function where a layer mixes samples.
void AlternatingStep::joint_pass(Phase& phase, const Fakes& fakes) {
  sync_.weights(Player::discriminator).gradients.zero_();
  std::vector<at::Tensor> reals, fake;
  for (size_t m = 0; m < micro_count(); ++m) {
    const auto real = micro(batch_.samples, m);
    const auto logits = forward(*discriminator_, at::cat({real, fakes.micro[m].detach().to(real.scalar_type())})).to(scalar_type(setup_.precision));
    const auto on_real = logits.slice(0, 0, real.size(0)), on_fake = logits.slice(0, real.size(0));
    const auto loss = discriminator_real_loss(on_real, setup_.objective.loss, setup_.objective.d_loss, setup_.global_batch) +
                      discriminator_fake_loss(on_fake, setup_.objective.loss, setup_.objective.d_loss, setup_.global_batch);
    loss.backward();
    reals.push_back(on_real.detach());
    fake.push_back(on_fake.detach());
    phase.loss += loss.detach();
  }
  phase.record.logit_real = joined(reals);
  phase.record.logit_fake = joined(fake);
}

void AlternatingStep::generator_half(Phase& phase, const Fakes& fakes) {
  sync_.weights(Player::generator).gradients.zero_();
  Locked discriminator(*discriminator_);  // before its forward: a weight locked later would still get a gradient
  phase.record.logit_fake = pass_through_discriminator(
      phase, [&](size_t m) { return fakes.micro[m]; },
      [&](const at::Tensor& logits) { return generator_loss(logits, setup_.objective.loss, setup_.global_batch); });
}

void AlternatingStep::run(const std::function<RealBatch()>& next_real, double deadline_s) {
  const auto& objective = setup_.objective;
  const auto scalar = at::TensorOptions(scalar_type(setup_.precision));
  const bool joint = objective.d_batch == ObjectiveConfig::DBatch::joint;
  // The fakes of the last D step keep their graph where the first G step is to use them.
  Fakes fakes;
  for (int64_t k = 0; k < objective.d_steps; ++k) {
    const bool reused = setup_.tricks.reuse_fakes && k + 1 == objective.d_steps;
    const int64_t step = discriminator_optimizer_.steps_done() + (pending_discriminator_ ? 1 : 0);
    batch_ = next_real();
    Phase phase{{Player::discriminator, step, batch_.first_place, batch_.samples, batch_.real_index, batch_.labels, {}, {}, {}, 0, 0}, at::zeros({}, scalar)};
    phase.record.latents = draw_latents(Purpose::z_d, step);
    if (k == 0) {
      if (!joint) real_half(phase);
      finish_generator(deadline_s);
      finished_.clear();  // the iteration before is complete
      fakes = make_fakes(phase.record.latents, reused);
    } else {
      fakes = make_fakes(phase.record.latents, reused);  // D's all-reduce of the step before is running
      finish_discriminator(deadline_s);
      if (!joint) real_half(phase);
    }
    joint ? joint_pass(phase, fakes) : fake_half(phase, fakes);
    pending_discriminator_ = std::move(phase);
    sync_.start(Player::discriminator, Deadline::in(std::chrono::duration<double>(deadline_s)));
  }
  for (int64_t k = 0; k < objective.g_steps; ++k) {
    if (k > 0) finish_generator(deadline_s);
    const int64_t step = generator_optimizer_.steps_done();
    Phase phase{{Player::generator, step, batch_.first_place, {}, {}, {}, {}, {}, {}, 0, 0}, at::zeros({}, scalar)};
    if (!setup_.tricks.reuse_fakes)
      fakes = make_fakes(draw_latents(Purpose::z_g, step), true);
    else if (k > 0)
      fakes = make_fakes(fakes.latents, true);
    phase.record.latents = fakes.latents;
    finish_discriminator(deadline_s);
    generator_half(phase, fakes);
    fakes.micro.clear();
    pending_generator_ = std::move(phase);
    sync_.start(Player::generator, Deadline::in(std::chrono::duration<double>(deadline_s)));
  }
}

void AlternatingStep::settle(double deadline_s) {
  finish_discriminator(deadline_s);
  finish_generator(deadline_s);
}

void AlternatingStep::finish_discriminator(double deadline_s) {
  if (!pending_discriminator_) return;
  Phase phase = std::move(*pending_discriminator_);
  pending_discriminator_.reset();
  apply(Player::discriminator, phase, deadline_s);
}

void AlternatingStep::finish_generator(double deadline_s) {
  if (!pending_generator_) return;
  Phase phase = std::move(*pending_generator_);
  pending_generator_.reset();
  apply(Player::generator, phase, deadline_s);
  average_.update(generator_optimizer_.steps_done());
}

// Sum over ranks -> finite check -> update. The sum is the same everywhere, so all ranks decide alike.
void AlternatingStep::apply(Player player, Phase& phase, double deadline_s) {
  sync_.finish(player, Deadline::in(std::chrono::duration<double>(deadline_s)));
  const auto gradients = sync_.weights(player).gradients;
  const double norm = at::linalg_vector_norm(gradients, 2).item<double>();
  phase.record.loss = phase.loss.item<double>();
  if (!std::isfinite(norm) || !std::isfinite(phase.record.loss))
    throw Error(Fault::numeric, "the {}'s {} is not finite at its step {}", name_of(player), std::isfinite(norm) ? "loss" : "gradient", phase.record.step)
        .remedy("lower optimizer.{}.lr, or use run.precision = \"float32\" if it was bf16; the last checkpoint is complete", name_of(player));
  if (listener_) listener_->on_gradient(phase.record, gradients);
  (player == Player::generator ? generator_optimizer_ : discriminator_optimizer_).step();
  sync_.mark_updated(player);
  phase.record.gradient_norm = norm;
  phase.record.real = phase.record.latents = at::Tensor();  // no batch is kept longer than its step
  finished_.push_back(std::move(phase.record));
}

StepTotals AlternatingStep::totals() const {
  StepTotals totals;
  const double n = static_cast<double>(setup_.global_batch);
  const double d_share = 1.0 / static_cast<double>(setup_.objective.d_steps), g_share = 1.0 / static_cast<double>(setup_.objective.g_steps);
  for (const auto& record : finished_) {
    if (record.player == Player::discriminator) {
      totals.loss_d += d_share * record.loss;
      totals.d_real += d_share * score_sum(record.logit_real, setup_.objective.loss) / n;
      totals.d_fake += d_share * score_sum(record.logit_fake, setup_.objective.loss) / n;
      totals.grad_norm_d = record.gradient_norm;
    } else {
      totals.loss_g += g_share * record.loss;
      totals.grad_norm_g = record.gradient_norm;
    }
  }
  totals.lr_d = discriminator_optimizer_.last_learning_rate();
  totals.lr_g = generator_optimizer_.last_learning_rate();
  return totals;
}

}  // namespace ganymede::gan
