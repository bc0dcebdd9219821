#include "train/session.hpp"

#include <ATen/ATen.h>
#include <ATen/record_function.h>

#include <fmt/ranges.h>

#include "checkpoint/format.hpp"
#include "core/error.hpp"
#include "gan/reference_batch.hpp"
#include "core/log.hpp"
#include "storage/sha256.hpp"
#include "train/compatibility.hpp"

namespace ganymede::train {
namespace {

namespace fs = std::filesystem;

// Where the names of files' groups meet the parts of a run (spec formats, model.h5).
void put_network(State& state, const std::string& group, const nets::Network& network) {
  for (const auto& item : network.named_parameters()) state.tensors[group + "/" + item.key()] = item.value().detach().clone(at::MemoryFormat::Contiguous);
  for (const auto& item : network.named_buffers()) state.tensors[group + "/" + item.key()] = item.value().detach().clone(at::MemoryFormat::Contiguous);
}

void take(const State& state, const std::string& name, at::Tensor target) {
  const auto found = state.tensors.find(name);
  if (found == state.tensors.end()) throw Error(Fault::bad_data, "the checkpoint's {} lacks {}", "model.h5", name);
  if (found->second.sizes() != target.sizes() || found->second.scalar_type() != target.scalar_type())
    throw Error(Fault::bad_data, "{} in the checkpoint's model.h5 is {} {}, the recipe's network has {} {}", name, toString(found->second.scalar_type()),
                fmt::join(found->second.sizes(), "x"), toString(target.scalar_type()), fmt::join(target.sizes(), "x"));
  at::NoGradGuard no_graph;
  target.copy_(found->second);
}

void take_network(const State& state, const std::string& group, nets::Network& network) {
  for (const auto& item : network.named_parameters()) take(state, group + "/" + item.key(), item.value());
  for (const auto& item : network.named_buffers()) take(state, group + "/" + item.key(), item.value());
}

std::string moments_group(gan::Player player) { return fmt::format("optimizer/{}", gan::name_of(player)); }

// Those that this kind of optimizer has, by their names in files.
std::vector<std::pair<const char*, at::Tensor>> moments_of(const gan::Optimizer& optimizer) {
  std::vector<std::pair<const char*, at::Tensor>> moments;
  if (optimizer.exp_avg().defined()) moments.emplace_back("exp_avg", optimizer.exp_avg());
  if (optimizer.exp_avg_sq().defined()) moments.emplace_back("exp_avg_sq", optimizer.exp_avg_sq());
  return moments;
}

void put_optimizer(State& state, gan::Player player, const parallel::FlatNetwork& flat, const gan::Optimizer& optimizer) {
  const auto group = moments_group(player);
  state.attributes[group]["step"] = optimizer.steps_done();
  for (const auto& [name, moments] : moments_of(optimizer))
    for (const auto& slot : flat.slots()) state.tensors[fmt::format("{}/{}/{}", group, name, slot.name)] = flat.view(moments, slot).clone(at::MemoryFormat::Contiguous);
}

void take_optimizer(const State& state, gan::Player player, const parallel::FlatNetwork& flat, gan::Optimizer& optimizer) {
  const auto group = moments_group(player);
  const auto attributes = state.attributes.find(group);
  if (attributes == state.attributes.end() || !attributes->second.contains("step"))
    throw Error(Fault::bad_data, "the checkpoint's model.h5 lacks the attribute step of {}", group);
  optimizer.set_steps_done(std::get<int64_t>(attributes->second.at("step")));
  for (const auto& [name, moments] : moments_of(optimizer))
    for (const auto& slot : flat.slots()) take(state, fmt::format("{}/{}/{}", group, name, slot.name), flat.view(moments, slot));
}

std::string flat_state_name(const gan::FlatState& state, const parallel::FlatNetwork::Slot& slot) {
  return fmt::format("tricks/{}/{}/{}", state.name, gan::name_of(state.player), slot.name);
}

std::shared_ptr<nets::Network> typed(std::shared_ptr<nets::Network> network, gan::Precision precision) {
  network->to(gan::scalar_type(precision));
  return network;
}

// The shape of a sample goes with the weights, so that a generator can be used where its data are not.
std::string shape_text(const nets::SampleShape& s) {
  return s.is_points ? std::to_string(s.features) : fmt::format("{}x{}x{}", s.height, s.width, s.channels);
}

nets::SampleShape stored_shape(const State& model) {
  const auto group = model.attributes.find("generator");
  const auto* text = group != model.attributes.end() && group->second.contains("sample_shape") ? std::get_if<std::string>(&group->second.at("sample_shape")) : nullptr;
  long long h = 0, w = 0, c = 0;
  const int read = text ? std::sscanf(text->c_str(), "%lldx%lldx%lld", &h, &w, &c) : 0;
  if (read == 1) return {true, 0, 0, 0, h};
  if (read == 3) return {false, h, w, c, 0};
  throw Error(Fault::bad_data, "the checkpoint's model.h5 does not say what its generator makes").cause("the attribute sample_shape of /generator is missing or unreadable");
}

nets::Conditioning stored_conditioning(const RunConfig& config, const State& model) {
  if (config.conditional.kind == nets::ConditionalKind::none) return {};
  const auto group = model.attributes.find("generator");
  const auto* classes = group != model.attributes.end() && group->second.contains("classes") ? std::get_if<int64_t>(&group->second.at("classes")) : nullptr;
  if (!classes || *classes < 2)
    throw Error(Fault::bad_data, "the checkpoint's model.h5 does not say how many classes its generator makes").cause("the attribute classes of /generator is missing or unreadable");
  return {config.conditional.kind, *classes};
}

const char* prior_name(nets::Prior prior) { return prior == nets::Prior::normal ? "normal" : "uniform"; }

std::string hash_of(const at::Tensor& flat) {
  return storage::sha256_text(std::string_view(static_cast<const char*>(flat.data_ptr()), flat.nbytes()));
}

}  // namespace

fs::path resolve_data_path(const std::string& path, const fs::path& recipe_folder) {
  const fs::path here = fs::absolute(path).lexically_normal();
  if (fs::path(path).is_absolute() || fs::exists(here) || recipe_folder.empty()) return here;
  const fs::path beside = fs::absolute(recipe_folder / path).lexically_normal();
  return fs::exists(beside) ? beside : here;
}

nets::SampleShape sample_shape(const data::Manifest& manifest) {
  const auto& shape = manifest.shape;
  if (manifest.is_points()) return {true, 0, 0, 0, shape.at(0)};
  return {false, shape.at(0), shape.at(1), shape.at(2), 0};
}

void check_snapshot(const checkpoint::Snapshot& snapshot) {
  const auto config = read_config(parse_source(snapshot.recipe, "the checkpoint's config.toml", {}));
  const auto unless = [&](bool is_right, const std::string& what) {
    if (!is_right)
      throw Error(Fault::bad_data, "checkpoint {}: {}", snapshot.folder.string(), what)
          .cause("a file was changed by hand, or another program wrote it")
          .remedy("resume from an older checkpoint of the run, by its path");
  };
  const auto attribute = [&]<typename T>(const std::string& group, const char* name, T expected) {
    const auto found = snapshot.model.attributes.find(group);
    const auto* value = found != snapshot.model.attributes.end() && found->second.contains(name) ? std::get_if<T>(&found->second.at(name)) : nullptr;
    unless(value && *value == expected, fmt::format("the attribute {} of {} in model.h5 is not {}", name, group.empty() ? "/" : group, expected));
  };
  const auto& c = snapshot.counters;
  unless(c.step < most_steps, fmt::format("step {} is beyond what a run can do", c.step));
  const bool is_steered = config.balance.mode == gan::BalanceConfig::Mode::steps;  // then the numbers vary
  unless(is_steered || (c.d_steps == c.step * config.objective.d_steps && c.g_steps == c.step * config.objective.g_steps),
         fmt::format("{} steps of D and {} of G are not what its recipe does in {} iterations", c.d_steps, c.g_steps, c.step));
  unless(config.data.global_batch && c.images == c.d_steps * *config.data.global_batch,
         fmt::format("{} images are not what its recipe shows in {} steps of D", c.images, c.d_steps));
  unless(c.seed == static_cast<uint64_t>(config.run.seed), fmt::format("seed {} is not its recipe's {}", c.seed, config.run.seed));
  attribute("", "format", std::string(checkpoint::model_format_name));
  attribute("", "version", checkpoint::version);
  attribute(moments_group(gan::Player::generator), "step", c.g_steps);
  attribute(moments_group(gan::Player::discriminator), "step", c.d_steps);
  attribute("generator", "prior", std::string(prior_name(config.latent.prior)));
}

std::shared_ptr<nets::Network> network_for(const RunConfig& config, const State& model, gan::Player player) {
  const auto shape = stored_shape(model);
  const auto conditioning = stored_conditioning(config, model);
  auto network = player == gan::Player::generator
                     ? nets::make_generator(config.generator, config.latent, shape, conditioning)
                     : nets::make_discriminator(config.discriminator, shape, conditioning, gan::joined_samples(config.objective));
  network = typed(network, config.run.precision);
  if (network->needs_reference()) {
    const auto name = fmt::format("{}/reference", gan::name_of(player));
    const auto reference = model.tensors.find(name);
    if (reference == model.tensors.end()) throw Error(Fault::bad_data, "the checkpoint's {} lacks {}", "model.h5", name);
    network->reserve_reference(reference->second.sizes());
  }
  return network;
}

std::shared_ptr<nets::Network> load_network(const RunConfig& config, const State& model, gan::Player player, bool raw) {
  auto network = network_for(config, model, player);
  take_network(model, player == gan::Player::generator && !raw ? "average" : gan::name_of(player), *network);
  network->eval();
  return network;
}

Session::Session(RunConfig config, comm::Communicator& communicator, storage::Hdf5Thread& hdf5)
    : config_(std::move(config)), communicator_(communicator), rng_(config_.run.seed),
      dataset_(std::make_unique<data::Dataset>(config_.data.path, hdf5)),
      plan_(data::resolve_plan(config_.data, dataset_->samples(), communicator.size(), communicator.rank())) {
  // Fixed from here on: a resumed run keeps batch and streams whatever its number of ranks.
  config_.data.global_batch = plan_.global_batch;
  config_.data.batch_per_rank.reset();
  config_.data.streams = plan_.streams;

  const auto shape = sample_shape(dataset_->manifest());
  const RunFactsForRules facts{plan_.global_batch, plan_.streams, shape, dataset_->manifest().class_count()};
  check_with_data(config_, facts);
  gan::check(config_.augment, shape, config_.objective.loss);
  if (communicator.rank() == 0)
    for (const auto& finding : warnings(config_, facts)) log::warning("{}: {}", finding.key, finding.text);
  const int64_t steps = total_steps(config_, plan_.global_batch);
  gan::fix_schedule(config_.generator_optimizer, steps * config_.objective.g_steps, "optimizer.generator");
  gan::fix_schedule(config_.discriminator_optimizer, steps * config_.objective.d_steps, "optimizer.discriminator");

  const auto precision = config_.run.precision;
  const bool has_classes = config_.conditional.kind != nets::ConditionalKind::none;
  const auto counts = has_classes ? dataset_->class_counts() : std::vector<int64_t>{};
  const nets::Conditioning conditioning{config_.conditional.kind, static_cast<int64_t>(counts.size())};
  classes_ = conditioning.classes;
  const int64_t joined = gan::joined_samples(config_.objective);
  generator_ = typed(nets::make_generator(config_.generator, config_.latent, shape, conditioning), precision);
  discriminator_ = typed(nets::make_discriminator(config_.discriminator, shape, conditioning, joined), precision);
  auto average = typed(nets::make_generator(config_.generator, config_.latent, shape, conditioning), precision);
  gan::reserve_references(*generator_, *discriminator_, *average, config_.latent, conditioning, joined, shape, plan_.global_batch);
  discriminator_->freeze(config_.tricks.freeze_d);
  if (discriminator_->trained_parameters().empty())
    throw Error(Fault::recipe, "tricks.freeze_d = {} leaves nothing of the discriminator to be trained", config_.tricks.freeze_d).remedy("freeze fewer layers");
  reader_ = std::make_unique<data::Reader>(*dataset_, plan_, config_.data, config_.run.seed);
  reader_->read_ahead();  // while weights are drawn
  flat_generator_ = std::make_unique<parallel::FlatNetwork>(generator_, true);
  flat_discriminator_ = std::make_unique<parallel::FlatNetwork>(discriminator_, true);
  generator_->initialize(rng_, 0);
  discriminator_->initialize(rng_, 1);
  flat_average_ = std::make_unique<parallel::FlatNetwork>(average, false);
  average_ = std::make_unique<gan::Average>(config_.average, average, flat_average_->weights().parameters, generator_, flat_generator_->weights().parameters,
                                             plan_.global_batch);
  average_->reset();

  if (communicator.size() > 1) {
    statistics_ = std::make_unique<parallel::GlobalStatistics>(communicator, config_.parallel.deadline_s, waits_);
    const bool with_batch_norm = config_.parallel.batch_norm == parallel::BatchNormScope::global;
    generator_->share_statistics(statistics_.get(), with_batch_norm);
    discriminator_->share_statistics(statistics_.get(), with_batch_norm);
  }
  reducer_ = std::make_unique<parallel::Reducer>(communicator, config_.parallel, *flat_generator_, *flat_discriminator_, waits_);
  generator_optimizer_ = std::make_unique<gan::Optimizer>(config_.generator_optimizer, flat_generator_->weights());
  discriminator_optimizer_ = std::make_unique<gan::Optimizer>(config_.discriminator_optimizer, flat_discriminator_->weights());
  const gan::GameSetup setup{config_.objective, config_.regularizers, config_.tricks, config_.conditional, config_.balance, config_.augment,
                             config_.latent, precision,
                             plan_.global_batch, counts, communicator.size(), statistics_.get()};
  step_ = std::make_unique<gan::AlternatingStep>(setup, generator_, discriminator_, *reducer_, *generator_optimizer_, *discriminator_optimizer_, *average_, rng_);
  if (config_.parallel.on_nonfinite == parallel::OnNotFinite::skip) step_->guard().leave_out_all();
  if (config_.parallel.on_nonfinite == parallel::OnNotFinite::rewind) step_->guard().leave_out_named();
}

void Session::run_iteration() {
  const auto for_discriminator = [&] {
    RECORD_USER_SCOPE("data");
    auto real = to_reals(reader_->next(deadline()));
    forwarded_samples_ += real.samples.size(0);
    return real;
  };
  step_->run({for_discriminator, [&] { return to_reals(reader_->next_for_generator(deadline())); }}, config_.parallel.deadline_s);
}

gan::RealBatch Session::to_reals(const data::Batch& batch) const {
  gan::RealBatch real;
  real.samples = data::to_network_input(batch, gan::scalar_type(config_.run.precision));
  real.real_index = batch.real_index;
  if (batch.labels.defined() && batch.labels.dim() == 1) real.labels = batch.labels.to(at::kLong);
  real.share = gan::share_of_rank(plan_.rank, plan_.world_size, plan_.streams, config_.objective.accumulate,
                                  [&](int64_t stream) { return plan_.count(stream, batch.drawn); });
  return real;
}

State Session::capture() {
  State state;
  put_network(state, "generator", *generator_);
  put_network(state, "discriminator", *discriminator_);
  put_network(state, "average", *average_->network());
  put_optimizer(state, gan::Player::generator, *flat_generator_, *generator_optimizer_);
  put_optimizer(state, gan::Player::discriminator, *flat_discriminator_, *discriminator_optimizer_);
  for (const auto& one : step_->flat_state())
    for (const auto& slot : flat(one.player).slots())
      state.tensors[flat_state_name(one, slot)] = flat(one.player).view(one.tensor, slot).clone(at::MemoryFormat::Contiguous);
  step_->save(state);
  state.attributes["generator"]["prior"] = std::string(prior_name(config_.latent.prior));
  state.attributes["generator"]["latent"] = config_.latent.size;
  if (classes_ > 0) state.attributes["generator"]["classes"] = classes_;
  state.attributes["generator"]["sample_shape"] = shape_text(sample_shape(dataset_->manifest()));
  return state;
}

void Session::restore(const State& model, int64_t iterations_done) {
  take_network(model, "generator", *generator_);
  take_network(model, "discriminator", *discriminator_);
  take_network(model, "average", *average_->network());
  take_optimizer(model, gan::Player::generator, *flat_generator_, *generator_optimizer_);
  take_optimizer(model, gan::Player::discriminator, *flat_discriminator_, *discriminator_optimizer_);
  for (const auto& one : step_->flat_state())
    for (const auto& slot : flat(one.player).slots()) take(model, flat_state_name(one, slot), flat(one.player).view(one.tensor, slot));
  step_->load(model, iterations_done);
  reader_->skip_to(d_steps_done(), step_->needs_generator_reals() ? g_steps_done() : 0);
}

void Session::initialize_from(const State& model) {
  take_network(model, "generator", *generator_);
  take_network(model, "discriminator", *discriminator_);
  discriminator_->forget_reference();  // the reals of this run's first step are its own
  average_->reset();
  step_->start_again();
}

std::vector<StartFact> Session::facts() const {
  const auto layers = [](const nets::Network& network) { return fmt::format("{}", fmt::join(network.describe(), "\n")); };
  const auto weights = [](const parallel::FlatNetwork& flat) { return "SHA-256 " + hash_of(flat.weights().parameters).substr(0, 16); };
  return {{"data set", "manifest of SHA-256 " + dataset_->manifest().sha256.substr(0, 16)},
          {"layers of G", layers(*generator_)},
          {"layers of D", layers(*discriminator_)},
          {"weights of G", weights(*flat_generator_)},
          {"weights of D", weights(*flat_discriminator_)},
          {"places in G's flat weights", flat_generator_->layout()},
          {"places in D's flat weights", flat_discriminator_->layout()},
          {"buckets", reducer_->layout()},
          {"resolved recipe", "SHA-256 " + storage::sha256_text(print_config(config_)).substr(0, 16)}};
}

ReplicaParts Session::replica_parts() const {
  return {*flat_generator_, *flat_discriminator_, *flat_average_, *generator_optimizer_, *discriminator_optimizer_, *step_,
          communicator_.size() == 1 || config_.parallel.batch_norm == parallel::BatchNormScope::global};
}

}  // namespace ganymede::train
