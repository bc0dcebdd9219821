// ganymede bench: measurements of this machine.
#include "cli/bench.hpp"

#include "core/error.hpp"

namespace ganymede::cli {

void add_bench(CLI::App& app, Program& program) {
  auto* command = app.add_subcommand("bench", "measure this machine")->require_subcommand(1);
  command->footer("Example: ganymede bench step launch/recipes/mnist-32.toml --json");
  add_bench_step(*command, program);
  add_bench_comm(*command, program);
  add_bench_overlap(*command, program);
}

void add_ranks_and_json(CLI::App& command, int& ranks, std::string& json) {
  command.add_option("--ranks", ranks, "start that many ranks on this host")->check(CLI::Range(1, 4096));
  command.add_option("--json", json, "write one JSON object with the raw samples to this file; - for standard output, instead of the table");
}

void check_sizes(int64_t min_bytes, int64_t max_bytes) {
  if (min_bytes > max_bytes) throw Error(Fault::usage, "--min-bytes {} is more than --max-bytes {}", min_bytes, max_bytes).remedy("exchange them");
}

}  // namespace ganymede::cli
