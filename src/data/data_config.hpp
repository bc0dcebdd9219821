// [data] of a recipe: which data set, how large a batch, and how it is read.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace ganymede::config {
class Fields;
}

namespace ganymede::data {

/// Where reals come from: sample_source.hpp.
enum class Sampling { stream, replacement, synth, table };

struct DataConfig {
  std::string path;                        // the data set's folder
  std::optional<int64_t> global_batch;     // samples of a step over all ranks; exactly one of the two is given
  std::optional<int64_t> batch_per_rank;   // weak scaling
  std::optional<int64_t> streams;          // default: min(N, 64), or R · min(b, 16)
  int64_t window = 4;                      // pieces that a stream shuffles together
  int64_t cache_mib = 2048;                // a data set that fits is kept in memory as stored
  int64_t prefetch = 4;                    // batches read ahead
  Sampling sampling = Sampling::stream;
  bool class_balanced = false;             // every class as likely as any other, drawn with replacement
  std::optional<int64_t> table_rows = {};     // T; as many as there are samples
  std::optional<int64_t> table_members = {};  // m; 1
  int64_t holdout = 0;                     // samples at the end of the data set that are never drawn
};

void describe(config::Fields& fields, DataConfig& c);

}  // namespace ganymede::data
