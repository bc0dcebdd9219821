// The folder of one run: runs/00007-NAME, its number the next free one, made atomically by rank 0 once all ranks can start.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "train/run_config.hpp"

namespace ganymede::train {

/// Makes the folder (mkdir is atomic: two jobs never share one) with its subfolders, config.toml and provenance.json.
/// Collective; every rank gets the path and has seen a token in it that rank 0 wrote, so that it is one folder for all
/// (else Error(Fault::cannot_write)). After a failure nothing is left behind.
std::filesystem::path make_run_folder(const std::filesystem::path& runs, const RunConfig& config, const std::vector<std::string>& argv,
                                      const std::string& dataset_sha256, comm::Communicator& communicator);

/// What a resumed run needs of an existing folder: writable, the same for all ranks; stale temporaries are removed.
void reopen_run_folder(const std::filesystem::path& run, const RunConfig& config, const std::vector<std::string>& argv, const std::string& dataset_sha256,
                       comm::Communicator& communicator);

std::string resolved_recipe_sha256(const RunConfig& config);

}  // namespace ganymede::train
