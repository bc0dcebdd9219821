// What is known of this rank before data are opened, for the comparison before step 0.
#pragma once
#include <optional>

#include "train/run_config.hpp"
#include "train/start_check.hpp"

namespace ganymede::train {

/// Program file, libraries, recipe (seed, precision, buckets and networks with it), device, threads, number of ranks, and the step to go on from.
std::vector<StartFact> start_facts(const RunConfig& config, std::optional<int64_t> resume_step, int world_size);

/// Instructions that this processor offers to LibTorch's kernels, and the level that they use.
std::string processor_features();

}  // namespace ganymede::train
