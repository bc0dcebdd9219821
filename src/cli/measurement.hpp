// What every record of a measurement begins with, so that a figure is never without its circumstances.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "cli/commands.hpp"

namespace ganymede::cli {

using Json = nlohmann::ordered_json;

/// schema_version, bench, start_time, argv, env (of the variables that matter, no others), version, revision, versions, hosts (a name
/// for each rank), ranks, threads, cores. The results are added behind it.
Json measurement(const std::string& bench, const Program& program, const comm::Communicator& communicator);

/// To the file, old or new as a whole; to standard output for "-".
void write_json(const std::string& where, const Json& record);

}  // namespace ganymede::cli
