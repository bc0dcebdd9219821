// Which settings of [data] go together, in one place.
#pragma once
#include <cstdint>

#include "data/batch_plan.hpp"
#include "data/data_config.hpp"
#include "data/dataset.hpp"

namespace ganymede::data {

/// What can be told from the recipe alone. Throws Error(Fault::recipe) naming the key.
void check_sampling(const DataConfig& config, const BatchPlan& plan);
/// What needs the number of samples: those that are read (all but the held-out ones), and the streams over them.
void check_sampling(const DataConfig& config, const BatchPlan& plan, int64_t samples);
/// What needs the data set itself: a formula, labels.
void check_sampling(const DataConfig& config, const Dataset& dataset);

/// Virtual rows of `table`, which has as many as samples are read unless the recipe says how many.
int64_t table_rows(const DataConfig& config, int64_t samples);
/// Streams over them: those of the plan, but no more than rows of a batch.
int64_t table_streams(const DataConfig& config, const BatchPlan& plan);

}  // namespace ganymede::data
