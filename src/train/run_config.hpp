// The recipe: every component's struct, and the list of its sections. The only place that knows them all.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "comm/device.hpp"
#include "config/recipe.hpp"
#include "data/data_config.hpp"
#include "evaluate/two_sample.hpp"
#include "gan/alternating_step.hpp"
#include "gan/average.hpp"
#include "gan/optimizer.hpp"
#include "nets/architectures.hpp"
#include "parallel/reducer.hpp"
#include "train/observer.hpp"

namespace ganymede::train {

struct RunSection {
  std::string name = "run";
  uint64_t seed = 0;
  std::optional<int64_t> steps, images;  // exactly one
  gan::Precision precision = gan::Precision::float32;
  comm::DeviceRequest device = comm::DeviceRequest::automatic;
  int64_t trace = 0;  // iterations written to trace.h5
};
void describe(config::Fields& fields, RunSection& c);

struct MonitorConfig {
  int64_t every_steps = 0;  // iterations between checks; 0: off
  int64_t samples = 512;    // fakes of a check, and reals in each of its two sets
  evaluate::Kernel kernel = evaluate::Kernel::gaussian;  // of the two-sample statistic
  std::string classifier;   // file of a frozen digit classifier, whose classes are counted too; empty: none
  enum class Action { log, checkpoint, stop } action = Action::log;  // when the run is found collapsed
};
void describe(config::Fields& fields, MonitorConfig& c);

struct RunConfig {
  RunSection run;
  data::DataConfig data;
  nets::LatentConfig latent;
  nets::GeneratorConfig generator;
  nets::DiscriminatorConfig discriminator;
  nets::ConditionalConfig conditional;
  gan::ObjectiveConfig objective;
  gan::RegularizersConfig regularizers;
  gan::TricksConfig tricks;
  gan::AugmentConfig augment;
  gan::BalanceConfig balance;
  gan::OptimizerConfig generator_optimizer, discriminator_optimizer;
  gan::AverageConfig average;
  parallel::ParallelConfig parallel;
  checkpoint::CheckpointConfig checkpoint;
  MonitorConfig monitor;
  LogConfig log;
};

/// The sections in the order in which they are printed; they refer to `config`.
std::vector<config::Section> sections(RunConfig& config);
config::Source load_source(const std::filesystem::path& recipe, const std::vector<std::string>& sets);
config::Source parse_source(const std::string& text, const std::string& name, const std::vector<std::string>& sets);
/// Reads and checks what can be checked without data. Throws Error(Fault::recipe) listing every mistake.
RunConfig read_config(const config::Source& source);
std::string print_config(const RunConfig& config);

/// Of one network in one run: the random numbers count them in 32 bits.
inline constexpr int64_t most_steps = int64_t{1} << 32;

/// Iterations of the whole run: run.steps, or as many as show D at least run.images reals.
int64_t total_steps(const RunConfig& config, int64_t global_batch);

/// The recipe with which a run goes on: the stored one under the overrides. Throws Error(Fault::recipe) listing the keys that
/// must not change: all but run.steps, run.images, [log], [checkpoint] and [parallel].
RunConfig config_for_resume(const std::string& stored_recipe, const std::vector<std::string>& sets);

}  // namespace ganymede::train
