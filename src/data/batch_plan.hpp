// Who draws which samples of a step: pure arithmetic, equal on every rank.
// N global batch, V streams, R ranks, X samples drawn before the step, g a sample's place in the global batch.
#pragma once
#include <cstdint>
#include <vector>

#include "data/data_config.hpp"

namespace ganymede::data {

struct BatchPlan {
  int64_t global_batch = 1;
  int64_t streams = 1;
  int64_t world_size = 1;
  int64_t rank = 0;

  /// Streams first_stream(r) … first_stream(r + 1) − 1 belong to rank r.
  int64_t first_stream(int64_t of_rank) const { return streams * of_rank / world_size; }
  int64_t first_stream() const { return first_stream(rank); }
  int64_t end_stream() const { return first_stream(rank + 1); }

  /// Samples that `stream` has given after `drawn` of the whole.
  int64_t given(int64_t stream, int64_t drawn) const { return (drawn + stream) / streams; }
  /// Samples that it gives to the step which begins at `drawn`.
  int64_t count(int64_t stream, int64_t drawn) const { return given(stream, drawn + global_batch) - given(stream, drawn); }
  /// The g of its first sample in that step.
  int64_t first_place(int64_t stream, int64_t drawn) const;
  /// The g range [first, end) of a rank in that step.
  int64_t rank_first_place(int64_t of_rank, int64_t drawn) const { return first_place(first_stream(of_rank), drawn); }
  int64_t rank_count(int64_t of_rank, int64_t drawn) const {
    return rank_first_place(of_rank + 1, drawn) - rank_first_place(of_rank, drawn);
  }
  /// The first g of every rank in that step, and N at the end: world_size + 1 numbers.
  std::vector<int64_t> starts(int64_t drawn) const;
};

/// Applies the defaults for streams. Throws Error(Fault::recipe) naming the key: both batch keys or neither, a batch or
/// number of streams below 1, R > V, V > N, or ways of sampling that do not go together.
BatchPlan resolve_plan(const DataConfig& config, int64_t world_size, int64_t rank);
/// The same, once the size of the data set is known: n < 4V is refused too, n without what data.holdout takes away.
BatchPlan resolve_plan(const DataConfig& config, int64_t samples, int64_t world_size, int64_t rank);

}  // namespace ganymede::data
