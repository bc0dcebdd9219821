// `ganymede bench overlap`: how much of an all-reduce disappears behind matrix products on the main thread.
//
// The columns are those of OSU's non-blocking collectives: the time of an all-reduce alone (pure), of the products alone (compute), of
// both together (overall), and overlap = 100 · (1 − (overall − compute) / pure), kept within 0 and 100. Gradients travel as they do in
// training: in buckets, on the gradients' channel, by the communication thread.
#pragma once
#include <cstdint>
#include <functional>

#include "bench/samples.hpp"
#include "comm/communicator.hpp"

namespace ganymede::bench {

struct OverlapBenchOptions {
  int64_t min_bytes = 256 << 10, max_bytes = 16 << 20;  // of a gradient; four times as many from one row to the next
  int64_t bucket_bytes = 4 << 20;                       // as parallel.bucket_mib
  int64_t iterations = 20, warmup = 3;
  double compute_ratio = 1.0;  // how long the products take, as a multiple of the all-reduce alone
};

struct OverlapBenchRow {
  int64_t size = 0;      // bytes of the gradient, float32
  int64_t products = 0;  // between the start of the all-reduce and the wait for it
  double overall_us = 0, compute_us = 0, pure_us = 0;  // means over ranks and iterations
  double overlap_percent = 0;
  int64_t wrong = 0;  // elements of a checked sum that are not what they should be, all ranks
  SamplesOfRanks overall_samples_us, compute_samples_us, pure_samples_us;
};

double overlap_percent(double overall, double compute, double pure);

/// Collective; needs at least two ranks, for there is nothing to hide on one (all times but compute's are then 0 to the clock).
void bench_overlap(const OverlapBenchOptions& options, comm::Communicator& communicator, const std::function<void(const OverlapBenchRow&)>& on_row);

}  // namespace ganymede::bench
