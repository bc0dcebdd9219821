#include "train/trainer.hpp"

#include <ATen/ATen.h>

#include <cstdio>
#include <fstream>

#include "checkpoint/format.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "data/inspect.hpp"
#include "train/agreement.hpp"
#include "train/generation.hpp"
#include "train/run_folder.hpp"
#include "train/start_facts.hpp"
#include "train/stop_signals.hpp"

namespace ganymede::train {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int64_t grid_samples = 64;

double resident_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    long kib = 0;
    if (std::sscanf(line.c_str(), "VmRSS: %ld kB", &kib) == 1) return static_cast<double>(kib) / 1024.0;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

// Networks, batches and random numbers are made on the host only: what cannot be done is said, and not done elsewhere in silence.
void check_device(comm::DeviceRequest request, comm::Communicator& communicator) {
  if (!comm::choose_device(request, communicator, Deadline::in(std::chrono::seconds(60))).is_cuda()) return;
  if (request == comm::DeviceRequest::cuda)
    throw Error(Fault::launch, "run.device = \"cuda\": this version finds GPUs and communicates between them, but does not train on them yet")
        .remedy("compute on the host with --device cpu");
  if (communicator.rank() == 0) log::warning("run.device: there are GPUs, but this version trains on the host only; --device cpu leaves this line out");
}

}  // namespace

int64_t virtual_ranks(const TrainRequest& request) {
  if (request.resume.empty()) return read_config(load_source(request.recipe, request.sets)).parallel.virtual_ranks;
  const auto found = checkpoint::find(request.resume);
  const auto recipe = (found.named_checkpoint ? found.folder : found.run) / checkpoint::recipe_name;
  if (!fs::exists(recipe)) return 0;  // a damaged checkpoint, which is reported where it is loaded
  return read_config(load_source(recipe, request.sets)).parallel.virtual_ranks;
}

Trainer::Trainer(const TrainRequest& request, comm::Communicator& communicator, storage::Hdf5Thread& hdf5)
    : communicator_(communicator), hdf5_(hdf5), slow_ranks_(communicator.hosts()) {
  agree(communicator, "reading the recipe", [&] { read_request(request, hdf5); });
  compare_starts();
  check_device(requested_.run.device, communicator);
  agree(communicator, "setting up", [&] {
    session_ = std::make_unique<Session>(requested_, communicator, hdf5);
    dataset_sha256_ = session_->manifest().sha256;
    last_step_ = total_steps(session_->config(), session_->plan().global_batch);
    if (weights_from_) {
      try {
        session_->initialize_from(weights_from_->model);
      } catch (const Error& error) {
        throw Error(error).within(fmt::format("--init-from {}", weights_from_->folder.string()));
      }
      weights_from_.reset();
    }
    if (!start_from_) return;
    const auto& counters = start_from_->counters;
    if (counters.dataset_sha256 != dataset_sha256_)
      throw Error(Fault::bad_data, "the data set at {} is not the one the run was started with", session_->config().data.path)
          .cause("its manifest has SHA-256 {}, the checkpoint's says {}", dataset_sha256_, counters.dataset_sha256);
    if (last_step_ < counters.step)
      throw Error(Fault::recipe, "the run has done {} steps, and run.steps asks for {}", counters.step, last_step_).remedy("raise it with --set run.steps=…");
    try {
      session_->restore(start_from_->model, counters.step);
    } catch (const Error& error) {
      throw Error(error).within(fmt::format("checkpoint {}", start_from_->folder.string()));
    }
    first_step_ = step_ = counters.step;
    row_images_ = counters.images;
  });
  require_equal(communicator, session_->facts(), "comparing sessions before the start", deadline());
  agree(communicator, "setting up checks", [&] {
    if (config().monitor.every_steps == 0) return;
    monitor_ = std::make_unique<Monitor>(*session_, communicator);
    session_->step().take_discriminator_losses();
    if (start_from_) monitor_->load(start_from_->model);
  });
  if (start_from_) start_from_->model = {};
  if (communicator.size() > 1 && config().parallel.check_every_steps > 0)
    replicas_ = std::make_unique<parallel::ReplicaCheck>(communicator, replicated_tensors(session_->replica_parts()));
  if (config().parallel.on_nonfinite == parallel::OnNotFinite::rewind) {
    rewinder_ = std::make_unique<Rewinder>(*session_, monitor_.get(), config().parallel.rewinds);
    rewinder_->keep(step_);
  }
  if (resume_in_place_) {
    folder_ = *resume_in_place_;
    reopen_run_folder(folder_, config(), request.argv, dataset_sha256_, communicator);
  } else {
    folder_ = make_run_folder(request.runs, config(), request.argv, dataset_sha256_, communicator);
  }
  checkpoints_ = std::make_unique<checkpoint::Writer>(folder_, config().checkpoint, communicator, hdf5);
}

void Trainer::read_request(const TrainRequest& request, storage::Hdf5Thread& hdf5) {
  if (request.resume.empty()) {
    requested_ = read_config(load_source(request.recipe, request.sets));
    requested_.data.path = resolve_data_path(requested_.data.path, request.recipe.parent_path()).string();
    if (!request.init_from.empty()) weights_from_ = checkpoint::load_newest(checkpoint::find(request.init_from), hdf5, check_snapshot);
    return;
  }
  const auto found = checkpoint::find(request.resume);
  start_from_ = checkpoint::load_newest(found, hdf5, check_snapshot);
  requested_ = config_for_resume(start_from_->recipe, request.sets);
  if (!found.named_checkpoint) resume_in_place_ = fs::absolute(found.run).lexically_normal();
}

// Replicas that start apart stay apart: what must be equal is compared before data are opened, and the rest before the first step.
void Trainer::compare_starts() {
  const Deadline soon = Deadline::in(std::chrono::seconds(60));
  std::optional<int64_t> resume_step;
  if (start_from_) resume_step = start_from_->counters.step;
  require_equal(communicator_, start_facts(requested_, resume_step, communicator_.size()), "comparing ranks before the start", soon);
  for (const auto& mixed : differences(communicator_, {{"processors", processor_features()}}, "comparing processors", soon))
    if (communicator_.rank() == 0)
      log::warning("{}\n  cause: kernels for other instructions round differently, so replicas may drift apart, which ends the run (81)\n"
                   "  remedy: choose hosts of one kind, or set ATEN_CPU_CAPABILITY=avx2 for all ranks", mixed);
}

Outcome Trainer::run(const std::vector<Observer*>& observers) {
  if (communicator_.leads_process()) log::open_file(folder_ / "log" / fmt::format("rank-{}.log", communicator_.rank()));
  log::debug("rank {} of {} on {}, {}, steps {} to {}", communicator_.rank(), communicator_.size(), communicator_.hosts()[communicator_.rank()],
             communicator_.backend(), first_step_ + 1, last_step_);
  if (communicator_.rank() == 0) {
    const auto& c = config();
    const RunFacts facts{c.run.name, folder_, first_step_, last_step_, session_->plan().global_batch, communicator_.size(), c.run.seed, resolved_recipe_sha256(c)};
    for (auto* observer : observers) observer->on_start(facts);
    if (first_step_ == 0 && c.log.samples_every_steps > 0) {
      const auto shown = data::peek(c.data.path, grid_samples, c.run.seed, hdf5_);
      for (auto* observer : observers) observer->on_samples("reals", data::to_network_input(shown.samples, at::kFloat), 0);
    }
  }
  if (first_step_ == 0 && config().run.trace > 0) {
    trace_ = std::make_unique<Trace>(folder_ / "trace.h5", *session_, communicator_, hdf5_);
    session_->step().listen(trace_.get());
  }
  row_start_ = Clock::now();
  communicator_.learn_deadlines(config().parallel.deadline_floor_s, config().parallel.deadline_s);
  bool go_on = step_ < last_step_;
  while (go_on) go_on = settled_iteration(observers);
  if (profile_) profile_->write(folder_);
  if (step_ > first_step_) save();
  checkpoints_->finish(deadline());
  log_totals();
  if (communicator_.rank() == 0)
    for (auto* observer : observers) observer->on_finish(step_);
  if (step_ == last_step_) return Outcome::finished;
  return ended_by_monitor_ ? Outcome::collapsed : Outcome::stopped;
}

// One that ends the run is settled. A gradient that is not finite on any rank is found by all, and rank 0 tells it.
bool Trainer::settled_iteration(const std::vector<Observer*>& observers) {
  try {
    const bool goes_on = one_iteration(observers);
    if (!goes_on) session_->settle();
    return goes_on;
  } catch (const gan::NotFinite& fault) {
    try {
      if (!rewinder_ || trace_) throw;
      rewind(fault);
    } catch (const gan::NotFinite& last) {
      if (communicator_.rank() == 0) throw;
      throw comm::PeerError(last);
    }
  }
  return true;
}

void Trainer::rewind(const gan::NotFinite& fault) {
  step_ = rewinder_->go_back(fault);
  if (communicator_.rank() == 0)
    log::warning("{}\n  the run goes on from step {} (parallel.on_nonfinite = \"rewind\", {} of {})", fault.what(), step_, rewinder_->count(), config().parallel.rewinds);
}

// False when the run is over, or a stop was asked on any rank.
bool Trainer::one_iteration(const std::vector<Observer*>& observers) {
  communicator_.check_peers();
  if (stop_was_asked()) session_->reducer().ask_to_stop();
  if (profile_)
    profile_->iteration(step_ + 1, [&] { session_->run_iteration(); });
  else
    session_->run_iteration();
  communicator_.enter(comm::Section::step);  // only now: ranks may come late to an iteration after a save or samples
  ++step_;
  if (profile_ && profile_->is_complete()) profile_->write(folder_);
  ++row_steps_;
  const auto& log_config = config().log;
  const bool is_last = step_ == last_step_;
  if (trace_ && (step_ == config().run.trace || is_last)) {
    session_->settle();
    session_->step().listen(nullptr);
    trace_->finish();
    trace_.reset();
  }
  if (replicas_ && is_due(config().parallel.check_every_steps)) replicas_->check(step_, replicated_counters(session_->replica_parts()), deadline());
  const bool has_collapsed = monitor_ && is_due(config().monitor.every_steps) && found_collapsed();
  ended_by_monitor_ = has_collapsed && config().monitor.action == MonitorConfig::Action::stop;
  if (step_ == 1 || is_due(log_config.every_steps) || is_last || ended_by_monitor_) report(observers);
  if (is_due(log_config.samples_every_steps) || (is_last && log_config.samples_every_steps > 0)) draw_samples(observers);
  const auto action = config().monitor.action;
  const bool wants_checkpoint = has_collapsed && action == MonitorConfig::Action::checkpoint;
  if (!is_last && (is_due(config().checkpoint.every_steps) || wants_checkpoint)) save();
  checkpoints_->poll(step_, deadline());
  return !is_last && session_->reducer().stops_asked() == 0 && !ended_by_monitor_;
}

// What D's losses have been since the last call, for the monitor's average; collective. Before a save too, so that nothing is left over.
void Trainer::tell_losses() {
  const auto& objective = config().objective;
  const auto own = session_->step().take_discriminator_losses();
  if (own.empty() || !gan::gives_logits(objective.loss)) return;
  auto sums = at::tensor(own, at::kDouble);
  communicator_.all_reduce_sum(sums, "losses of D", deadline());
  // In the form whose value at chance is log 4.
  const bool is_one_mean = objective.loss == gan::Loss::relativistic || objective.d_batch == gan::ObjectiveConfig::DBatch::paired;
  sums.mul_((objective.d_loss == gan::LossScale::half ? 2.0 : 1.0) * (is_one_mean ? 2.0 : 1.0));
  monitor_->see_losses({sums.data_ptr<double>(), sums.data_ptr<double>() + sums.numel()});
}

// Every rank comes to the same answer.
bool Trainer::found_collapsed() {
  communicator_.enter(comm::Section::eval);
  session_->settle();
  tell_losses();
  const auto totals = session_->step().totals();
  evaluate::CheckNumbers numbers{{}, totals.grad_norm_d, totals.grad_norm_g, {}, {}};
  auto accuracy = at::full({1}, totals.d_accuracy, at::kDouble);
  communicator_.all_reduce_sum(accuracy, "accuracy of D", deadline());
  if (gan::gives_logits(config().objective.loss)) numbers.d_accuracy = accuracy.item<double>();
  const auto before = monitor_->state();
  const bool has_collapsed = monitor_->check(step_, numbers);
  if (communicator_.rank() == 0 && monitor_->state() != before && monitor_->state() != evaluate::CollapseState::ok)
    log::warning("step {}: {}", step_, has_collapsed ? "the generator has lost modes: the run counts as collapsed" : "the generator may be losing modes");
  return has_collapsed;
}

StatisticsRow Trainer::statistics() {
  session_->settle();
  // Without waits for others: before the sums below, in which the fast ranks wait for the slow.
  const double own_ms = std::chrono::duration<double, std::milli>(Clock::now() - row_start_).count() - session_->waits().exposed_ms;
  const auto totals = session_->step().totals();
  std::vector<double> own{totals.loss_d, totals.loss_g, totals.d_real, totals.d_fake};
  for (const auto& term : totals.terms) own.push_back(term.second);
  auto shares = at::tensor(own, at::kDouble);
  communicator_.all_reduce_sum(shares, "statistics row", deadline());
  const double n = static_cast<double>(row_steps_);
  const auto by_rank = communicator_.all_gather(at::tensor({resident_mib(), own_ms / n}, at::kDouble), "memory and time of each rank", deadline());
  const double span_ms = std::chrono::duration<double, std::milli>(Clock::now() - row_start_).count();
  auto& waits = session_->waits();
  const int64_t global_batch = session_->plan().global_batch;
  StatisticsRow row;
  row.step = step_;
  row.images = session_->d_steps_done() * global_batch;
  row.epoch = static_cast<double>(row.images) / static_cast<double>(session_->manifest().samples);
  const auto* share = shares.data_ptr<double>();
  row.loss_d = share[0], row.loss_g = share[1], row.d_real = share[2], row.d_fake = share[3];
  for (size_t i = 0; i < totals.terms.size(); ++i) row.extras.emplace_back(totals.terms[i].first, share[4 + i]);
  row.extras.insert(row.extras.end(), totals.figures.begin(), totals.figures.end());
  if (config().parallel.wire == parallel::Wire::bf16) {
    row.extras.emplace_back("wire_error_d", session_->reducer().wire_error(gan::Player::discriminator));
    row.extras.emplace_back("wire_error_g", session_->reducer().wire_error(gan::Player::generator));
  }
  if (monitor_) {
    const auto figures = monitor_->take_figures();
    row.extras.insert(row.extras.end(), figures.begin(), figures.end());
  }
  row.grad_norm_d = totals.grad_norm_d, row.grad_norm_g = totals.grad_norm_g;
  row.lr_d = totals.lr_d, row.lr_g = totals.lr_g;
  row.step_ms = span_ms / n;
  row.data_wait_ms = session_->reader().take_wait_ms() / n;
  row.comm_exposed_ms = waits.exposed_ms / n;
  row.stat_wait_ms = waits.statistics_ms / n;
  row.images_per_s = static_cast<double>(row.images - row_images_) / (span_ms / 1e3);
  row_images_ = row.images;
  row.rss_mib = by_rank.select(1, 0).max().item<double>();
  if (communicator_.size() > 1) {
    const auto own = by_rank.select(1, 1).contiguous();
    const auto times = compare({own.data_ptr<double>(), own.data_ptr<double>() + own.numel()});
    row.extras.insert(row.extras.end(), {{"rank_ms", times.median_ms}, {"skew", times.skew()}, {"slowest_rank", static_cast<double>(times.slowest)}});
    const auto slow = slow_ranks_.see(step_, times);
    if (slow && communicator_.rank() == 0) log::warning("{}", *slow);
  }
  if (session_->step().guard().is_on()) row.extras.emplace_back("updates_left_out", static_cast<double>(session_->step().guard().count()));
  if (rewinder_) row.extras.emplace_back("rewinds", static_cast<double>(rewinder_->count()));
  waits = {};
  row_steps_ = 0;
  row_start_ = Clock::now();
  return row;
}

void Trainer::report(const std::vector<Observer*>& observers) {
  if (step_ <= reported_step_) {  // repeated after a rewind: its row is out
    if (monitor_) monitor_->take_figures();
    return;
  }
  reported_step_ = step_;
  const auto row = statistics();
  if (communicator_.rank() != 0) return;
  for (auto* observer : observers) observer->on_statistics(row);
}

// The average's weights and running statistics are the same everywhere: rank 0 draws alone.
void Trainer::draw_samples(const std::vector<Observer*>& observers) {
  communicator_.enter(comm::Section::eval);
  if (step_ <= sampled_step_) return;
  sampled_step_ = step_;
  session_->settle();
  if (communicator_.rank() != 0) return;
  at::NoGradGuard no_graph;
  const auto type = gan::scalar_type(config().run.precision);
  if (!sample_latents_.defined())
    sample_latents_ = nets::latents(session_->rng(), config().latent, Draw{Purpose::eval, 0, 0}, 0, grid_samples, type);
  const int64_t classes = config().conditional.kind == nets::ConditionalKind::none ? 0 : session_->manifest().class_count();
  const auto pictures = forward_in_parts(session_->average_network(), classes, sample_latents_, cycling_labels(classes, grid_samples));
  for (auto* observer : observers) observer->on_samples(fmt::format("step-{:06}", step_), pictures, step_);
}

void Trainer::save() {
  communicator_.enter(comm::Section::save);
  session_->settle();
  if (monitor_) tell_losses();
  checkpoint::Snapshot snapshot;
  const auto& c = config();
  snapshot.counters = {step_, session_->d_steps_done(), session_->g_steps_done(), session_->d_steps_done() * session_->plan().global_batch,
                       communicator_.size(), c.run.seed, resolved_recipe_sha256(c), dataset_sha256_};
  if (communicator_.rank() == 0) snapshot.model = session_->capture();
  if (communicator_.rank() == 0 && monitor_) monitor_->save(snapshot.model);
  snapshot.model.attributes[""] = {{"format", std::string(checkpoint::model_format_name)}, {"version", checkpoint::version}};
  snapshot.recipe = print_config(c);
  if (rewinder_) rewinder_->keep(step_);
  checkpoints_->start(std::move(snapshot), deadline());
}

void Trainer::log_totals() {
  const auto sent = communicator_.traffic().sent_bytes;
  log::debug("forwarded samples: {}", session_->forwarded_samples());
  log::debug("sent bytes: statistics {}, control {}, gradients {}, replay {}", sent[0], sent[1], sent[2], sent[3]);
}

}  // namespace ganymede::train
