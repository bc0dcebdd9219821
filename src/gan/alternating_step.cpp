#include "gan/alternating_step.hpp"

#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/record_function.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/log.hpp"
#include "gan/pack_slots.hpp"
#include "gan/reference_batch.hpp"

namespace ganymede::gan {
namespace {

using Order = ObjectiveConfig::Order;

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

// D's outputs by the side that they are about: of pairs, how sure D is of the right slot.
std::pair<at::Tensor, at::Tensor> sides(const PhaseRecord& record) {
  if (!record.slots.defined()) return {record.logit_real, record.logit_fake};
  const auto right = (2.0 * record.slots - 1.0) * record.logit_real;
  return {right, -right};
}

void add_named(std::vector<std::pair<std::string, double>>& all, const std::string& name, double value) {
  const auto known = std::find_if(all.begin(), all.end(), [&](const auto& entry) { return entry.first == name; });
  if (known == all.end())
    all.emplace_back(name, value);
  else
    known->second += value;
}

Deadline within(double deadline_s) { return Deadline::in(std::chrono::duration<double>(deadline_s)); }

}  // namespace

AlternatingStep::AlternatingStep(const GameSetup& setup, std::shared_ptr<nets::Network> generator, std::shared_ptr<nets::Network> discriminator,
                                 GradientSync& sync, Optimizer& generator_optimizer, Optimizer& discriminator_optimizer, Average& average, const Rng& rng)
    : setup_(setup), generator_(std::move(generator)), discriminator_(std::move(discriminator)), sync_(sync), generator_optimizer_(generator_optimizer),
      discriminator_optimizer_(discriminator_optimizer), average_(average), rng_(rng), classes_(setup.conditional, setup.class_counts),
      game_(make_game(setup, *discriminator_)),
      judge_({setup.precision, setup.global_batch, setup.objective.pack, setup.statistics}, *discriminator_, rng, game_.filters),
      passes_(make_passes(setup.objective.d_batch, game_, judge_)), pace_{setup.objective.d_steps, setup.objective.g_steps, 1.0},
      guard_(generator_, discriminator_) {
  judge_.has_classes = game_.has_classes;
  for (const auto& term : game_.generator_terms) generator_reals_ = std::max(generator_reals_, term->reals());
  start_again();
  set_generator_reference(*generator_, setup_, classes_, rng_);
}

void AlternatingStep::start_again() {
  for (const auto& hook : game_.update_hooks)
    for (const auto player : {Player::generator, Player::discriminator}) {
      hook->start(player, sync_.weights(player));
      sync_.mark_updated(player);
    }
}

at::Tensor AlternatingStep::draw_latents(Purpose purpose, int64_t step, const Share& share) const {
  return nets::latents(rng_, setup_.latent, Draw{purpose, step, 0}, share.first_place, share.rows, scalar_type(setup_.precision));
}

Fakes AlternatingStep::make_fakes(Player player, const Share& share, const at::Tensor& z, const at::Tensor& labels, bool with_graph) {
  RECORD_USER_SCOPE("forward of G");
  Fakes fakes{{}, z, labels};
  const at::AutoGradMode graph(with_graph);
  const auto input = classes_.join(z, labels);
  const auto source = player == Player::generator ? nets::Source::g_fake : nets::Source::d_fake;
  const Autocast autocast(setup_.precision == Precision::bf16);
  if (setup_.objective.pack_slots) {  // and so no micro-batches, which packs would cross
    fakes.micro.push_back(forward_by_slots(*generator_, input, labels, share, source, setup_.objective.pack));
    return fakes;
  }
  for (size_t m = 0; m < share.micro_count(); ++m) {
    nets::Pass pass;
    pass.ranges.push_back(share.range(source, m));
    pass.labels = share.micro(labels, m);
    fakes.micro.push_back(generator_->forward(share.micro(input, m), pass));
  }
  return fakes;
}

void AlternatingStep::run(const RealSource& reals, double deadline_s) {
  if (setup_.objective.order == Order::simultaneous) settle(deadline_s);
  if (setup_.objective.order == Order::g_first) {
    next_batch_ = reals.for_discriminator();
    generator_phases(reals, deadline_s);
    discriminator_phases(reals, deadline_s);
  } else {
    discriminator_phases(reals, deadline_s);
    generator_phases(reals, deadline_s);
  }
  ++iteration_;
  for (const auto& controller : game_.controllers) controller->steer(iteration_, pace_, judge_);
}

void AlternatingStep::discriminator_phases(const RealSource& reals, double deadline_s) {
  for (int64_t k = 0; k < pace_.d_steps; ++k) {
    RECORD_USER_SCOPE("D phase");
    const bool reused = setup_.tricks.reuse_fakes && k + 1 == pace_.d_steps;
    if (k == 0) finish_discriminator(deadline_s);  // g_first: of the iteration before
    Phase phase;
    phase.reals = next_batch_ ? *std::exchange(next_batch_, {}) : reals.for_discriminator();
    const auto& share = phase.reals.share;
    const int64_t step = discriminator_optimizer_.steps_done() + (pending_discriminator_ ? 1 : 0);
    auto& record = phase.record;
    record.player = Player::discriminator, record.step = step, record.iteration = iteration_, record.turn = k, record.first_place = share.first_place;
    record.real = phase.reals.samples, record.real_index = phase.reals.real_index, record.labels = phase.reals.labels;
    if (!classes_.is_on()) phase.reals.labels = at::Tensor();
    record.latents = draw_latents(Purpose::z_d, step, share);
    record.fake_labels = classes_.for_discriminator(phase.reals, rng_, step);
    const auto start_gradient = [&] {
      RECORD_USER_SCOPE("D, real half");
      sync_.weights(Player::discriminator).gradients.zero_();
      passes_->before_fakes(phase);
    };
    const auto fakes_now = [&] { return make_fakes(Player::discriminator, share, record.latents, record.fake_labels, reused); };
    Fakes fakes;
    if (k == 0) {
      start_gradient();
      finish_generator(deadline_s);
      if (setup_.objective.order != Order::g_first) finished_.clear();  // the iteration before is complete
      fakes = fakes_now();
    } else {
      fakes = fakes_now();  // D's all-reduce of the step before is running
      finish_discriminator(deadline_s);
      start_gradient();
    }
    {
      RECORD_USER_SCOPE("D, fake half");
      passes_->with_fakes(phase, fakes, [&] { sync_.arm(Player::discriminator, within(deadline_s)); });
    }
    if (!game_.controllers.empty()) {
      const auto [real, fake] = sides(record);
      const auto hits = game_.adversary->hits(real, fake);
      for (const auto& controller : game_.controllers) controller->watch(hits, real, judge_);
    }
    if (generator_reals_ == GeneratorTerm::Reals::last) last_batch_ = phase.reals;
    else if (k + 1 == pace_.d_steps) last_batch_ = RealBatch{{}, {}, {}, share};
    if (reused) last_fakes_ = std::move(fakes);
    phase.reals = {};
    pending_discriminator_ = std::move(phase);
    sync_.start(Player::discriminator, within(deadline_s));
  }
}

void AlternatingStep::generator_phases(const RealSource& reals, double deadline_s) {
  for (int64_t k = 0; k < pace_.g_steps; ++k) {
    RECORD_USER_SCOPE("G phase");
    if (k > 0 || setup_.objective.order == Order::g_first) finish_generator(deadline_s);
    const int64_t step = generator_optimizer_.steps_done();
    Phase phase;
    if (needs_generator_reals())
      phase.reals = reals.for_generator();
    else
      phase.reals = next_batch_ ? *next_batch_ : *last_batch_;
    const auto& share = phase.reals.share;
    auto& record = phase.record;
    record.player = Player::generator, record.step = step, record.iteration = iteration_, record.turn = k, record.first_place = share.first_place;
    if (needs_generator_reals()) record.real = phase.reals.samples, record.real_index = phase.reals.real_index, record.labels = phase.reals.labels;
    if (!classes_.is_on()) phase.reals.labels = at::Tensor();
    Fakes fakes;
    if (!setup_.tricks.reuse_fakes)
      fakes = make_fakes(Player::generator, share, draw_latents(Purpose::z_g, step, share), classes_.for_generator(share, rng_, step), true);
    else if (k > 0)
      fakes = make_fakes(Player::generator, share, last_fakes_.latents, last_fakes_.labels, true);
    else
      fakes = last_fakes_;
    record.latents = fakes.latents, record.fake_labels = fakes.labels;
    last_fakes_.micro.clear();
    if (setup_.objective.order != Order::simultaneous) finish_discriminator(deadline_s);
    if (k == 0 && setup_.objective.order == Order::g_first) finished_.clear();  // the iteration before is complete
    sync_.weights(Player::generator).gradients.zero_();
    {
      RECORD_USER_SCOPE("G, through D");
      const Locked discriminator(*discriminator_);  // before its forward: a weight locked later would still get a gradient
      passes_->generator(phase, fakes, [&] { sync_.arm(Player::generator, within(deadline_s)); });
    }
    phase.reals = {};
    pending_generator_ = std::move(phase);
    sync_.start(Player::generator, within(deadline_s));
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

void AlternatingStep::abandon(double deadline_s) {
  if (std::exchange(pending_discriminator_, {})) sync_.finish(Player::discriminator, within(deadline_s));
  if (std::exchange(pending_generator_, {})) sync_.finish(Player::generator, within(deadline_s));
  next_batch_.reset(), last_batch_.reset();
  last_fakes_ = {};
  finished_.clear();
  if (d_losses_) d_losses_->clear();
}

std::vector<const char*> AlternatingStep::keys(Player player) const {
  std::vector<const char*> all;
  if (player == Player::generator)
    for (const auto& term : game_.generator_terms) all.push_back(term->key());
  else
    for (const auto& term : game_.discriminator_terms) all.push_back(term->key());
  return all;
}

// Sum over ranks -> terms of the weights -> finite check -> clipping -> update, or none. Everything is the same everywhere, so all ranks decide alike.
void AlternatingStep::apply(Player player, Phase& phase, double deadline_s) {
  RECORD_USER_SCOPE(player == Player::discriminator ? "update of D" : "update of G");
  sync_.finish(player, within(deadline_s));
  const auto weights = sync_.weights(player);
  auto& record = phase.record;
  for (const auto& hook : game_.update_hooks)
    if (auto term = hook->add(player, weights)) record.weight_terms.push_back(std::move(*term));
  const double norm = at::linalg_vector_norm(weights.gradients, 2).item<double>();
  const auto names = keys(player);
  record.loss = phase.values.front().item<double>();
  for (size_t t = 1; t < names.size(); ++t) record.terms.emplace_back(names[t], phase.values[t].defined() ? phase.values[t].item<double>() : 0.0);
  const bool is_left_out = !std::isfinite(norm) && must_leave_out(record, deadline_s);
  if (!is_left_out) check_losses(record);
  if (listener_) listener_->on_gradient(record, weights.gradients);
  auto& optimizer = player == Player::generator ? generator_optimizer_ : discriminator_optimizer_;
  if (is_left_out) {
    optimizer.leave_out_step();
    guard_.left_out(player);
  } else {
    for (const auto& hook : game_.update_hooks) hook->limit(player, weights);
    optimizer.step(generator_optimizer_.steps_done(), player == Player::discriminator ? pace_.d_rate : 1.0);
    guard_.made(player);
  }
  for (const auto& hook : game_.update_hooks) hook->after(player, weights, optimizer.steps_done());
  sync_.mark_updated(player);
  if (d_losses_ && !is_left_out && player == Player::discriminator) d_losses_->push_back(record.loss);
  record.gradient_norm = norm;
  record.real = record.latents = at::Tensor();  // no batch is kept longer than its step
  finished_.push_back(std::move(record));
}

// Whether an update whose gradient is not finite is left out; else throws. Every rank comes here, since all have the same sum.
bool AlternatingStep::must_leave_out(const PhaseRecord& record, double deadline_s) {
  std::string found_here;
  if (!std::isfinite(record.loss)) found_here = fmt::format("its loss is {}", record.loss);
  const auto origin = sync_.origin_of_not_finite(record.player, found_here, within(deadline_s));
  const auto text = fmt::format("the {}'s gradient is not finite at its step {}, in iteration {}: {}", name_of(record.player), record.step, record.iteration + 1, origin);
  if (guard_.leaves_out(record.player, record.step)) {
    log::debug("{}; the update is left out", text);
    return true;
  }
  Error error(Fault::numeric, "{}", text);
  error.remedy("lower optimizer.{}.lr, or use run.precision = \"float32\" if it was bf16; parallel.on_nonfinite = \"skip\" leaves such updates out; "
               "the last checkpoint is complete", name_of(record.player));
  throw NotFinite(error, record.player, record.step);
}

// Each rank sees its own share only: one that finds something tells the others as it ends.
void AlternatingStep::check_losses(const PhaseRecord& record) const {
  const auto check = [&](const std::string& what, double value) {
    if (!std::isfinite(value))
      throw Error(Fault::numeric, "the {}'s {} is not finite at its step {}", name_of(record.player), what, record.step)
          .remedy("lower optimizer.{}.lr, or use run.precision = \"float32\" if it was bf16; the last checkpoint is complete", name_of(record.player));
  };
  check("loss", record.loss);
  for (const auto& [name, value] : record.terms) check(name, value);
}

StepTotals AlternatingStep::totals() const {
  StepTotals totals;
  const double n = judge_.decisions();
  int64_t d_steps = 0, g_steps = 0;
  for (const auto& record : finished_) ++(record.player == Player::discriminator ? d_steps : g_steps);
  for (const auto& record : finished_) {
    const bool is_d = record.player == Player::discriminator;
    const double share = 1.0 / static_cast<double>(is_d ? d_steps : g_steps);
    for (const auto& [name, value] : record.terms) add_named(totals.terms, is_d || name != "classifier" ? name : "classifier_g", share * value);
    for (const auto& [name, value] : record.weight_terms) add_named(totals.figures, name + (is_d ? "_d" : "_g"), share * value);
    (is_d ? totals.loss_d : totals.loss_g) += share * record.loss;
    (is_d ? totals.grad_norm_d : totals.grad_norm_g) = record.gradient_norm;
    if (!is_d) continue;
    const auto [real, fake] = sides(record);
    totals.d_real += share * score_sum(real, setup_.objective.loss) / n;
    totals.d_fake += share * score_sum(fake, setup_.objective.loss) / n;
    if (!gives_logits(setup_.objective.loss)) continue;
    totals.d_accuracy += share * 0.5 * static_cast<double>((real > 0).sum().item<int64_t>() + (fake < 0).sum().item<int64_t>()) / n;
  }
  totals.lr_d = discriminator_optimizer_.last_learning_rate();
  totals.lr_g = generator_optimizer_.last_learning_rate();
  for (const auto& controller : game_.controllers)
    for (auto& figure : controller->figures()) totals.figures.push_back(std::move(figure));
  return totals;
}

std::vector<double> AlternatingStep::take_discriminator_losses() {
  auto losses = d_losses_.value_or(std::vector<double>{});
  d_losses_.emplace();
  return losses;
}

std::vector<FlatState> AlternatingStep::flat_state() {
  std::vector<FlatState> all;
  for (const auto& hook : game_.update_hooks)
    for (auto& state : hook->flat_state()) all.push_back(std::move(state));
  return all;
}

void AlternatingStep::save(State& state) const {
  for (const auto& controller : game_.controllers) controller->save(state);
  guard_.save(state);
}

void AlternatingStep::load(const State& state, int64_t iterations_done) {
  iteration_ = iterations_done;
  for (const auto& controller : game_.controllers) controller->load(state, pace_);
  guard_.load(state);
}

}  // namespace ganymede::gan
