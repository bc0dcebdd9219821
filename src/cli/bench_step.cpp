// ganymede bench step: the time of a recipe's training iteration.
#include <cstdio>

#include "bench/samples.hpp"
#include "bench/step_bench.hpp"
#include "cli/bench.hpp"
#include "cli/measurement.hpp"
#include "train/agreement.hpp"
#include "train/session.hpp"

namespace ganymede::cli {
namespace {

struct Options {
  std::string recipe;
  std::vector<std::string> sets;
  bench::StepBenchOptions step;
  int ranks = 0;
  bool json = false, shapes = false, no_kernels = false;
};

double percent_of_step(double ms, const bench::StepBenchResult& r) { return 100.0 * ms / bench::quantile(r.step_ms, .5); }

void print_kernels(const bench::StepBenchResult& r, bool shapes) {
  if (r.kernels.empty()) return;
  double alone_ms = 0;
  std::printf("# convolutions and products of one iteration: as they ran in it, and each alone at its best, as shares of the median step\n");
  std::printf("%-22s %7s %12s %12s %10s\n", "# kind", "calls", "in_step_ms", "alone_ms", "share_%");
  for (const auto& kind : by_kind(r.kernels)) {
    alone_ms += kind.alone_ms;
    std::printf("%-22s %7lld %12.3f %12.3f %10.1f\n", kind.kind.c_str(), static_cast<long long>(kind.count), kind.in_step_ms, kind.alone_ms, percent_of_step(kind.alone_ms, r));
  }
  std::printf("kernels_share_percent %.1f\n", percent_of_step(alone_ms, r));
  if (!shapes) return;
  for (const auto& call : r.kernels)
    std::printf("#   %9.3f ms alone %9.3f in step %4lld x %s %s\n", call.alone_ms, call.in_step_ms, static_cast<long long>(call.count), call.name.c_str(), call.inputs.c_str());
}

void print_table(const bench::StepBenchResult& r, int ranks, bool shapes) {
  std::printf("# ranks %d, threads %d, global batch %lld, %zu iterations\n", ranks, r.threads, static_cast<long long>(r.global_batch), r.step_ms.size());
  std::printf("step_ms        median %.3f  p10 %.3f  p90 %.3f\n", bench::quantile(r.step_ms, .5), bench::quantile(r.step_ms, .1), bench::quantile(r.step_ms, .9));
  std::printf("data_wait_ms   mean %.3f\ncomm_exposed_ms mean %.3f\n", r.data_wait_ms, r.comm_exposed_ms);
  std::printf("start_to_first_step_s %.3f\npeak_rss_mib   %.1f\n", r.start_to_first_step_s, r.peak_rss_mib);
  print_kernels(r, shapes);
}

Json kernels_of(const bench::StepBenchResult& r) {
  Json kinds = Json::array(), calls = Json::array();
  double alone_ms = 0;
  for (const auto& kind : by_kind(r.kernels)) {
    alone_ms += kind.alone_ms;
    kinds.push_back({{"kind", kind.kind}, {"calls", kind.count}, {"in_step_ms", kind.in_step_ms}, {"alone_ms", kind.alone_ms}, {"share_pct", percent_of_step(kind.alone_ms, r)}});
  }
  for (const auto& call : r.kernels)
    calls.push_back({{"kind", call.kind}, {"operator", call.name}, {"inputs", call.inputs}, {"calls", call.count}, {"in_step_ms", call.in_step_ms}, {"alone_ms", call.alone_ms}});
  return {{"share_pct", percent_of_step(alone_ms, r)}, {"kinds", kinds}, {"calls", calls}};
}

void print_json(const bench::StepBenchResult& r, Json record) {
  const Json results = {
      {"step_ms", {{"median", bench::quantile(r.step_ms, .5)}, {"p10", bench::quantile(r.step_ms, .1)}, {"p90", bench::quantile(r.step_ms, .9)}, {"samples", r.step_ms}}},
      {"start_to_first_step_s", r.start_to_first_step_s},
      {"peak_rss_mib", r.peak_rss_mib},
      {"data_wait_ms", r.data_wait_ms},
      {"comm_exposed_ms", r.comm_exposed_ms},
      {"global_batch", r.global_batch}};
  record.update(results);
  if (!r.kernels.empty()) record["kernels"] = kernels_of(r);
  write_json("-", record);
}

int step(Options options, const Program& program) {
  options.step.kernels = !options.no_kernels;
  return with_ranks([&](comm::Communicator& processes) {
    train::RunConfig config;
    train::agree(processes, "reading the recipe", [&] {
      config = train::read_config(train::load_source(options.recipe, options.sets));
      config.data.path = train::resolve_data_path(config.data.path, std::filesystem::path(options.recipe).parent_path()).string();
    });
    return with_virtual_ranks(processes, config.parallel.virtual_ranks, [&](comm::Communicator& communicator) {
      storage::Hdf5Thread hdf5;
      const auto result = bench::bench_step(config, options.step, communicator, hdf5);
      auto record = measurement("step", program, communicator);
      if (communicator.rank() == 0) options.json ? print_json(result, std::move(record)) : print_table(result, communicator.size(), options.shapes);
      return 0;
    });
  });
}

}  // namespace

void add_bench_step(CLI::App& bench, Program& program) {
  auto options = std::make_shared<Options>();
  auto* command = bench.add_subcommand("step", "time the training iteration of a recipe, and its convolutions and products alone; writes no file");
  command->add_option("recipe", options->recipe, "a TOML recipe")->required();
  command->add_option("--set", options->sets, "override one key: section.key=value")->expected(1)->take_all();
  command->add_option("--iterations", options->step.iterations, "counted iterations")->check(CLI::Range(1, 1'000'000))->capture_default_str();
  command->add_option("--warmup", options->step.warmup, "iterations before them, at least the first")->check(CLI::Range(1, 1'000'000))->capture_default_str();
  command->add_option("--ranks", options->ranks, "start that many ranks on this host")->check(CLI::Range(1, 4096));
  command->add_flag("--shapes", options->shapes, "list the convolutions and products by shape");
  command->add_flag("--no-kernels", options->no_kernels, "do not time convolutions and products alone");
  command->add_flag("--json", options->json, "print one JSON object");
  command->footer("Example: ganymede bench step launch/recipes/mnist-32.toml --json");
  command->callback([options, &program] { program.action = [options, &program] { return on_ranks(options->ranks, program, [&] { return step(*options, program); }); }; });
}

}  // namespace ganymede::cli
