// Sums and gathers over ranks as steps of autograd, for layers that mix the rows of the global batch.
// Every rank's loss L_r counts its own rows only, and gradients mean those of Σ_r L_r: the gradient of a sum over ranks is the sum
// over ranks of what arrives, that of a gather each rank's slice of that sum. Both are made of the same operators, so they
// differentiate as often as asked.
// Collective, backward too: the result must enter every rank's graph, where it needs no value of it as well (by an empty slice),
// else the others wait for that rank in backward.
// statistics == nullptr: one process; the argument itself comes back and no node enters the graph.
#pragma once
#include <vector>

#include "nets/batch_statistics.hpp"
#include "nets/pass.hpp"

namespace ganymede::nets {

/// Σ_r of `own`, which has one shape on all ranks.
at::Tensor gsum(const at::Tensor& own, BatchStatistics* statistics, const char* what);
/// Mean over the global batch's `global_rows` rows from the sum over this rank's: never the mean of the ranks' means.
at::Tensor gmean(const at::Tensor& sum_of_own_rows, int64_t global_rows, BatchStatistics* statistics, const char* what);
/// The rows of all ranks in order. starts: first row of each rank and their total, R + 1 numbers; own: [starts[r+1]−starts[r], …].
/// Throws Error(Fault::bug) where own's rows are not those.
at::Tensor ggather(const at::Tensor& own, const std::vector<int64_t>& starts, BatchStatistics* statistics, const char* what);

/// The statistics to mix a range's rows with those of other ranks; nullptr where no other rank has any: in one process, and for
/// the reference batch, which every rank holds. Throws Error(Fault::bug) where there are ranks and `statistics` is missing.
BatchStatistics* across_ranks(const RowRange& range, BatchStatistics* statistics);
/// Rows of the range on all ranks.
int64_t global_rows(const RowRange& range);

}  // namespace ganymede::nets
