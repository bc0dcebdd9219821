// What `ganymede doctor` and `train --preflight` share: examine, print, and the exit code.
#pragma once
#include <filesystem>
#include <string>

#include "cli/commands.hpp"

namespace ganymede::cli {

/// Prints a line for each finding on rank 0 (warnings and failures only if `brief`), writes the record to `json` unless it is empty.
/// Collective. The exit code: 0, or the first failure's (73 the folder cannot be written, 69 the ranks would not train the same).
int preflight(const std::filesystem::path& folder, bool brief, const std::string& json, const Program& program, comm::Communicator& communicator);

}  // namespace ganymede::cli
