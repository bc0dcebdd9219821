#include "data/data_config.hpp"

#include "config/fields.hpp"

namespace ganymede::data {

void describe(config::Fields& fields, DataConfig& c) {
  fields.text("path", c.path, "folder of the data set, as `ganymede data build` writes it");
  fields.integer("global_batch", c.global_batch, "samples of a step over all ranks (or batch_per_rank)").at_least(1).at_most(1 << 30);
  fields.integer("batch_per_rank", c.batch_per_rank, "samples of a step on each rank (or global_batch)").at_least(1).at_most(1 << 30);
  fields.integer("streams", c.streams, "parts that the data set is read in, at least one for each rank").at_least(1);
  fields.integer("window", c.window, "pieces that a stream shuffles together").at_least(1);
  fields.integer("cache_mib", c.cache_mib, "a data set up to this size is kept in memory; 0 streams it").at_least(0);
  fields.integer("prefetch", c.prefetch, "batches read ahead").at_least(1);
  fields.choice("sampling", c.sampling,
                {{"stream", Sampling::stream},
                 {"replacement", Sampling::replacement},
                 {"synth", Sampling::synth},
                 {"table", Sampling::table}},
                "every sample once an epoch, drawn with replacement, computed afresh, or fixed rows of samples");
  fields.flag("class_balanced", c.class_balanced, "draw every class equally often, with replacement");
  fields.integer("table_rows", c.table_rows, "rows of the table (as many as there are samples)").at_least(1).at_most(4294967296.0);
  fields.integer("table_members", c.table_members, "samples of a row, consecutive in a batch (1)").at_least(1).at_most(1 << 30);
  fields.integer("holdout", c.holdout, "samples at the end of the data set that training never draws").at_least(0);
}

}  // namespace ganymede::data
