// Everything one rank needs to train: networks, flat weights, optimizers, the alternating step and the stream of reals,
// built in the one order that works. The loop around it is the Trainer's.
#pragma once
#include <memory>
#include <string>

#include "checkpoint/checkpoint.hpp"
#include "comm/communicator.hpp"
#include "core/rng.hpp"
#include "core/state.hpp"
#include "data/reader.hpp"
#include "gan/alternating_step.hpp"
#include "parallel/flat_network.hpp"
#include "parallel/reducer.hpp"
#include "storage/hdf5_thread.hpp"
#include "train/replicas.hpp"
#include "train/run_config.hpp"
#include "train/start_check.hpp"

namespace ganymede::train {

/// The data set a recipe names, found relative to the current folder, then to the recipe; absolute afterwards.
std::filesystem::path resolve_data_path(const std::string& path, const std::filesystem::path& recipe_folder);

nets::SampleShape sample_shape(const data::Manifest& manifest);

/// The network that a recipe describes, for such samples as the model of a checkpoint names; its weights are yet to be filled.
std::shared_ptr<nets::Network> network_for(const RunConfig& config, const State& model, gan::Player player);
/// The same with the weights of a checkpoint (raw: G's trained ones, not their average), in evaluation mode, on one process.
std::shared_ptr<nets::Network> load_network(const RunConfig& config, const State& model, gan::Player player, bool raw);

/// Whether counters, recipe and model of a checkpoint belong together; throws Error(Fault::bad_data) saying what does not.
void check_snapshot(const checkpoint::Snapshot& snapshot);

class Session {
 public:
  /// Opens the data set named by config.data.path, resolves batch and streams and writes them back into config(). Local: no rank
  /// is talked to. Throws Error: recipe, bad_data.
  Session(RunConfig config, comm::Communicator& communicator, storage::Hdf5Thread& hdf5);

  void run_iteration();
  void settle() { step_->settle(config_.parallel.deadline_s); }

  /// Call settle() first. Tensors are copies. restore() also moves the reals to where the run stood.
  State capture();
  void restore(const State& model, int64_t iterations_done);
  /// The weights and buffers of G and D from another run's checkpoint; everything else starts anew. Throws Error(Fault::bad_data) where
  /// names or shapes differ.
  void initialize_from(const State& model);
  /// What must be the same on every rank before the first step.
  std::vector<StartFact> facts() const;
  /// What the replica check compares.
  ReplicaParts replica_parts() const;

  const RunConfig& config() const { return config_; }
  const data::Manifest& manifest() const { return dataset_->manifest(); }
  const data::BatchPlan& plan() const { return plan_; }
  gan::AlternatingStep& step() { return *step_; }
  parallel::Reducer& reducer() { return *reducer_; }
  parallel::FlatNetwork& flat(gan::Player player) { return player == gan::Player::generator ? *flat_generator_ : *flat_discriminator_; }
  data::Reader& reader() { return *reader_; }
  data::Dataset& dataset() { return *dataset_; }
  const Rng& rng() const { return rng_; }
  nets::Network& network(gan::Player player) { return player == gan::Player::generator ? *generator_ : *discriminator_; }
  const nets::Network& network(gan::Player player) const { return player == gan::Player::generator ? *generator_ : *discriminator_; }
  nets::Network& average_network() { return *average_->network(); }
  parallel::WaitTimes& waits() { return waits_; }
  Deadline deadline() const { return Deadline::in(std::chrono::duration<double>(config_.parallel.deadline_s)); }
  int64_t forwarded_samples() const { return forwarded_samples_; }  // reals this rank has shown to D
  int64_t d_steps_done() const { return discriminator_optimizer_->steps_done(); }
  int64_t g_steps_done() const { return generator_optimizer_->steps_done(); }

 private:
  gan::RealBatch to_reals(const data::Batch& batch) const;

  RunConfig config_;
  comm::Communicator& communicator_;
  Rng rng_;
  std::unique_ptr<data::Dataset> dataset_;
  data::BatchPlan plan_;
  parallel::WaitTimes waits_;
  std::unique_ptr<parallel::GlobalStatistics> statistics_;
  std::shared_ptr<nets::Network> generator_, discriminator_;
  std::unique_ptr<parallel::FlatNetwork> flat_generator_, flat_discriminator_, flat_average_;
  std::unique_ptr<parallel::Reducer> reducer_;
  std::unique_ptr<gan::Optimizer> generator_optimizer_, discriminator_optimizer_;
  std::unique_ptr<gan::Average> average_;
  std::unique_ptr<gan::AlternatingStep> step_;
  std::unique_ptr<data::Reader> reader_;
  int64_t classes_ = 0;  // of a game with classes
  int64_t forwarded_samples_ = 0;
};

}  // namespace ganymede::train
