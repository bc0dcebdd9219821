// The measurements of `ganymede bench`, one file each.
#pragma once
#include "cli/commands.hpp"

namespace ganymede::cli {

void add_bench_step(CLI::App& bench, Program& program);
void add_bench_comm(CLI::App& bench, Program& program);
void add_bench_overlap(CLI::App& bench, Program& program);

/// --ranks and --json F, which all measurements between ranks have.
void add_ranks_and_json(CLI::App& command, int& ranks, std::string& json);
/// Throws Error(Fault::usage) if the smallest size is larger than the largest.
void check_sizes(int64_t min_bytes, int64_t max_bytes);

}  // namespace ganymede::cli
