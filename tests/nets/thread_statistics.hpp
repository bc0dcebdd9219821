// Tests of layers over ranks: R threads of one process, each with its slice of one global batch.
#pragma once
#include <functional>
#include <vector>

#include "comm/thread_ranks.hpp"
#include "nets/pass.hpp"
#include "parallel/reducer.hpp"

namespace ganymede::nets {

/// body(rank, its statistics), once per rank; returns when all have ended.
inline void on_ranks(int ranks, const std::function<void(int, BatchStatistics&)>& body) {
  comm::run_thread_ranks(ranks, [&](comm::Communicator& communicator) {
    parallel::WaitTimes waits;
    parallel::GlobalStatistics statistics(communicator, 20.0, waits);
    body(communicator.rank(), statistics);
  });
}

/// The rows that rank r of those with these first rows holds.
inline RowRange range_of(const std::vector<int64_t>& starts, int rank, Source source = Source::d_real) {
  const int64_t rows = starts[rank + 1] - starts[rank];
  return {source, rows, starts[rank], rows, {}, starts};
}

inline at::Tensor slice_of(const at::Tensor& all, const std::vector<int64_t>& starts, int rank) {
  return all.slice(0, starts[rank], starts[rank + 1]);
}

}  // namespace ganymede::nets
