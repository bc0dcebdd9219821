// `ganymede bench comm`: how long one operation of the Communicator takes, by message size, with its answer checked.
//
// Sizes, counts and bandwidths mean what they mean in nccl-tests (doc/PERFORMANCE.md there), so that its readers fit: `size` is the
// larger of what a rank gives and gets, algbw = size / time, busbw = algbw times 2(n−1)/n for all-reduce, (n−1)/n for all-gather and
// exchange, 1 for broadcast, with n ranks. GB = 1e9.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "bench/samples.hpp"
#include "comm/communicator.hpp"

namespace ganymede::bench {

enum class CommOperation { all_reduce, all_gather, broadcast, exchange };
const char* name_of(CommOperation operation);
/// Whether the result takes the place of the input: all-reduce and broadcast. The Communicator offers one form of each operation.
bool is_in_place(CommOperation operation);

struct CommBenchOptions {
  CommOperation operation = CommOperation::all_reduce;
  int64_t min_bytes = 8, max_bytes = 64 << 20;  // doubled from the first to the last
  int64_t iterations = 20, warmup = 5;
  at::ScalarType type = at::kFloat;  // float32, float64, int64 or bfloat16
};

struct CommBenchRow {
  int64_t size = 0;   // bytes
  int64_t count = 0;  // elements, of one rank's part where ranks have parts
  double time_us = 0;  // of the slowest rank's mean iteration
  double fastest_us = 0, mean_us = 0;  // of the fastest rank's, and over ranks
  double alg_bw = 0, bus_bw = 0;  // GB/s
  int64_t wrong = 0;  // elements over all ranks that differ from sums taken in float64, or from what was sent
  SamplesOfRanks samples_us;
};

/// Collective. A row at a time goes to `on_row`, on every rank. Allocates up to 3 times max_bytes.
void bench_comm(const CommBenchOptions& options, comm::Communicator& communicator, const std::function<void(const CommBenchRow&)>& on_row);

}  // namespace ganymede::bench
