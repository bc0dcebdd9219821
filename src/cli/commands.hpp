// The subcommands: each file of this folder adds one to the parser and says what to run.
#pragma once
#include <CLI/CLI.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.hpp"

namespace ganymede::cli {

/// Set by the subcommand that was chosen; its result is the exit code.
using Action = std::function<int()>;

struct Program {
  std::vector<std::string> argv;
  Action action;
};

void add_train(CLI::App& app, Program& program);
void add_sample(CLI::App& app, Program& program);
void add_data(CLI::App& app, Program& program);
void add_classifier(CLI::App& app, Program& program);
void add_eval(CLI::App& app, Program& program);
void add_export(CLI::App& app, Program& program);
void add_config(CLI::App& app, Program& program);
void add_bench(CLI::App& app, Program& program);
void add_doctor(CLI::App& app, Program& program);

/// Ranks meet, threads and log are set up, `body` runs, ranks part. A failure here is told to all other ranks before it leaves.
int with_ranks(const std::function<int(comm::Communicator&)>& body);

/// Runs `body` for each of the virtual ranks that this process holds, or, if there are none asked for (0), once for the process itself;
/// its answer on the first of them.
int with_virtual_ranks(comm::Communicator& processes, int64_t virtual_ranks, const std::function<int(comm::Communicator&)>& body);

/// `body` here; or, where --ranks asks for several and no launcher has started us, the same command line under mpirun on this host.
/// Throws Error(Fault::usage) where a launcher started another number.
int on_ranks(int ranks, const Program& program, const std::function<int()>& body);

/// True on the one process that speaks, where a launcher started a subcommand that needs no ranks.
bool is_first_process();

}  // namespace ganymede::cli
