// ganymede SUBCOMMAND: parses the command line, runs the subcommand, turns errors into messages and exit codes.
#include <malloc.h>

#include <cstdio>

#include "cli/commands.hpp"
#include "comm/launch.hpp"
#include "core/big_blocks.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/version.hpp"

namespace ganymede::cli {
namespace {

std::string version_text() {
  auto text = fmt::format("ganymede {} (revision {})", program_version(), source_revision());
  for (const auto& [name, version] : library_versions()) text += fmt::format("\n  {} {}", name, version);
  return text;
}

// glibc would hand the end of its heap back to the system after each use, and fetch it again for the next layer.
void keep_small_blocks() { mallopt(M_TRIM_THRESHOLD, 1 << 30); }

int run(int argc, char** argv) {
  Program program;
  program.argv.assign(argv, argv + argc);
  CLI::App app{"Trains generative adversarial networks on one process or many.", "ganymede"};
  app.set_version_flag("--version", version_text());
  app.require_subcommand(1);
  app.footer("Example: ganymede train launch/recipes/mnist.toml --ranks 2");
  add_train(app, program);
  add_sample(app, program);
  add_data(app, program);
  add_classifier(app, program);
  add_eval(app, program);
  add_export(app, program);
  add_config(app, program);
  add_bench(app, program);
  add_doctor(app, program);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : static_cast<int>(Fault::usage);
  }
  return program.action();
}

}  // namespace
}  // namespace ganymede::cli

int main(int argc, char** argv) {
  using namespace ganymede;
  cli::keep_small_blocks();
  keep_big_blocks_apart();
  try {
    return cli::run(argc, argv);
  } catch (const comm::PeerError& error) {  // printed in full where it happened, in short by the communicator
    log::debug("stopped by another rank: {}", error.what());
    comm::let_launcher_forward();
    return error.exit_code();
  } catch (const Error& error) {
    log::error("{}", error.what());
    return error.exit_code();
  } catch (const std::exception& error) {
    log::error("{}\n  remedy: this is a bug of ganymede; please report it with the command and the run's log folder", error.what());
    return static_cast<int>(Fault::bug);
  }
}
