// ganymede bench: measurements of this machine.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/step_bench.hpp"
#include "cli/commands.hpp"
#include "core/version.hpp"
#include "train/agreement.hpp"
#include "train/session.hpp"

namespace ganymede::cli {
namespace {

struct Options {
  std::string recipe;
  std::vector<std::string> sets;
  bench::StepBenchOptions step;
  bool json = false;
};

void print_table(const bench::StepBenchResult& r, int ranks) {
  std::printf("# ranks %d, threads %d, global batch %lld, %zu iterations\n", ranks, r.threads, static_cast<long long>(r.global_batch), r.step_ms.size());
  std::printf("step_ms        median %.3f  p10 %.3f  p90 %.3f\n", bench::quantile(r.step_ms, .5), bench::quantile(r.step_ms, .1), bench::quantile(r.step_ms, .9));
  std::printf("data_wait_ms   mean %.3f\ncomm_exposed_ms mean %.3f\n", r.data_wait_ms, r.comm_exposed_ms);
  std::printf("start_to_first_step_s %.3f\npeak_rss_mib   %.1f\n", r.start_to_first_step_s, r.peak_rss_mib);
}

void print_json(const bench::StepBenchResult& r, int ranks, const std::vector<std::string>& argv) {
  nlohmann::ordered_json libraries = nlohmann::ordered_json::object();
  for (const auto& [name, version] : library_versions()) libraries[name] = version;
  const nlohmann::ordered_json record = {
      {"schema_version", 1},
      {"bench", "step"},
      {"step_ms", {{"median", bench::quantile(r.step_ms, .5)}, {"p10", bench::quantile(r.step_ms, .1)}, {"p90", bench::quantile(r.step_ms, .9)}, {"samples", r.step_ms}}},
      {"start_to_first_step_s", r.start_to_first_step_s},
      {"peak_rss_mib", r.peak_rss_mib},
      {"data_wait_ms", r.data_wait_ms},
      {"comm_exposed_ms", r.comm_exposed_ms},
      {"global_batch", r.global_batch},
      {"ranks", ranks},
      {"threads", r.threads},
      {"argv", argv},
      {"version", program_version()},
      {"revision", source_revision()},
      {"versions", libraries}};
  std::printf("%s\n", record.dump().c_str());
}

int step(const Options& options, const Program& program) {
  return with_ranks([&](comm::Communicator& processes) {
    train::RunConfig config;
    train::agree(processes, "reading the recipe", [&] {
      config = train::read_config(train::load_source(options.recipe, options.sets));
      config.data.path = train::resolve_data_path(config.data.path, std::filesystem::path(options.recipe).parent_path()).string();
    });
    return with_virtual_ranks(processes, config.parallel.virtual_ranks, [&](comm::Communicator& communicator) {
      storage::Hdf5Thread hdf5;
      const auto result = bench::bench_step(config, options.step, communicator, hdf5);
      if (communicator.rank() == 0) options.json ? print_json(result, communicator.size(), program.argv) : print_table(result, communicator.size());
      return 0;
    });
  });
}

}  // namespace

void add_bench(CLI::App& app, Program& program) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("bench", "measure this machine")->require_subcommand(1);
  command->footer("Example: ganymede bench step launch/recipes/mnist-32.toml --json");
  auto* step_command = command->add_subcommand("step", "time the training iteration of a recipe; writes no file");
  step_command->add_option("recipe", options->recipe, "a TOML recipe")->required();
  step_command->add_option("--set", options->sets, "override one key: section.key=value")->expected(1)->take_all();
  step_command->add_option("--iterations", options->step.iterations, "counted iterations")->check(CLI::Range(1, 1'000'000))->capture_default_str();
  step_command->add_option("--warmup", options->step.warmup, "iterations before them, at least the first")->check(CLI::Range(1, 1'000'000))->capture_default_str();
  step_command->add_flag("--json", options->json, "print one JSON object");
  step_command->footer("Example: ganymede bench step launch/recipes/mnist-32.toml --json");
  step_command->callback([options, &program] { program.action = [options, &program] { return step(*options, program); }; });
}

}  // namespace ganymede::cli
