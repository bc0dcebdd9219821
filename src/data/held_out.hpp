// Real samples that training never sees, for checks during a run.
#pragma once
#include <cstdint>

#include "core/rng.hpp"
#include "data/batch.hpp"
#include "data/data_config.hpp"
#include "data/dataset.hpp"

namespace ganymede::data {

/// Samples `first` … `first + count` − 1 of a check, as stored; disjoint ranges give disjoint sets, and a rank may ask for its part
/// alone.
/// With data.holdout: those of the held-out tail, the same at every `step` (real_index says which). Else, where the data set has a
/// formula: fresh ones, purpose eval, index 1, `step` (the iteration), place = number; real_index is −1.
/// Throws Error(Fault::recipe) where there is neither, or where the tail is too short. Any thread may call.
Batch held_out(Dataset& dataset, const DataConfig& config, const Rng& rng, int64_t step, int64_t first, int64_t count);
/// How many there are to ask for: data.holdout; for fresh ones the largest int64.
int64_t held_out_count(const Dataset& dataset, const DataConfig& config);

}  // namespace ganymede::data
