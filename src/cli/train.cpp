// ganymede train: the main job.
#include <cstdio>

#include "cli/commands.hpp"
#include "cli/preflight.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "report/run_reporter.hpp"
#include "train/agreement.hpp"
#include "train/stop_signals.hpp"
#include "train/trainer.hpp"

namespace ganymede::cli {
namespace {

struct Options {
  train::TrainRequest request;
  std::string recipe, resume, init_from, out = "runs", device;
  int ranks = 0;
  int64_t profile = 0;  // iterations
  bool preflight = false;
};

int train_rank(const Options& options, const Program& program, comm::Communicator& communicator) {
  storage::Hdf5Thread hdf5;
  std::optional<train::Profile> profile;
  if (options.profile > 0) profile.emplace(communicator, options.profile, program.argv);
  train::Trainer trainer(options.request, profile ? profile->communicator() : communicator, hdf5);
  if (profile) trainer.profile_with(*profile);
  std::unique_ptr<report::RunReporter> reporter;
  std::vector<train::Observer*> observers;
  if (communicator.rank() == 0) {
    reporter = std::make_unique<report::RunReporter>();
    observers.push_back(reporter.get());
  }
  const auto outcome = trainer.run(observers);
  communicator.barrier("end of training", Deadline::in(std::chrono::seconds(60)));
  if (communicator.rank() == 0) {
    if (outcome == train::Outcome::stopped)
      log::info("stopped on request after a checkpoint; go on with `ganymede train --resume {}`", trainer.run_folder().string());
    if (outcome == train::Outcome::collapsed)
      log::warning("stopped by monitor.action = \"stop\": the generator has lost modes; the checkpoint of {} can be looked at with `sample` and `eval`",
                   trainer.run_folder().string());
    std::printf("run: %s\n", trainer.run_folder().c_str());
    std::fflush(stdout);
  }
  return outcome == train::Outcome::finished ? 0 : static_cast<int>(Fault::stopped_early);
}

int train_here(const Options& options, const Program& program) {
  train::catch_stop_signals();  // first of all: one that comes while the ranks meet must not be lost
  return with_ranks([&](comm::Communicator& processes) {
    if (options.preflight)
      if (const int code = preflight(options.out, true, "", program, processes); code != 0) return code;
    int64_t virtual_ranks = 0;
    train::agree(processes, "reading the recipe", [&] { virtual_ranks = train::virtual_ranks(options.request); });
    return with_virtual_ranks(processes, virtual_ranks, [&](comm::Communicator& communicator) { return train_rank(options, program, communicator); });
  });
}

int run(Options options, const Program& program) {
  if (options.recipe.empty() == options.resume.empty())
    throw Error(Fault::usage, "train takes a recipe or --resume, and not both").remedy("ganymede train launch/recipes/mnist.toml");
  if (!options.init_from.empty() && !options.resume.empty())
    throw Error(Fault::usage, "--init-from starts a new run, --resume goes on with one").remedy("use one of them");
  if (!options.device.empty()) options.request.sets.push_back("run.device=\"" + options.device + "\"");
  options.request.recipe = options.recipe;
  options.request.resume = options.resume;
  options.request.init_from = options.init_from;
  options.request.runs = options.out;
  options.request.argv = program.argv;
  return on_ranks(options.ranks, program, [&] { return train_here(options, program); });
}

}  // namespace

void add_train(CLI::App& app, Program& program) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("train", "train a recipe, or go on with a run");
  command->add_option("recipe", options->recipe, "a TOML recipe");
  command->add_option("--resume", options->resume, "a run folder (goes on in place) or a checkpoint folder (starts a new run there)");
  command->add_option("--init-from", options->init_from, "a run or checkpoint folder whose networks a new run starts with");
  command->add_option("--set", options->request.sets, "override one key: section.key=value")->expected(1)->take_all();
  command->add_option("--out", options->out, "folder of runs")->capture_default_str();
  command->add_option("--ranks", options->ranks, "start that many ranks on this host")->check(CLI::Range(1, 4096));
  command->add_option("--profile", options->profile, "iterations, after the first 3, whose trace goes to profile/rank-N.json")->check(CLI::Range(1, 10'000));
  command->add_flag("--preflight", options->preflight, "look at hosts, links and disk first, as doctor does; no training after a failure");
  command->add_option("--device", options->device, "auto, cpu or cuda; the same as --set run.device");
  command->footer("Examples:\n  ganymede train launch/recipes/mnist.toml --ranks 2 --set run.steps=500\n  mpirun -np 4 ganymede train launch/recipes/mnist.toml\n"
                  "  ganymede train --resume runs/00000-mnist --set run.steps=8000");
  command->callback([options, &program] { program.action = [options, &program] { return run(*options, program); }; });
}

}  // namespace ganymede::cli
