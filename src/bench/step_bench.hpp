// `ganymede bench step`: what one training iteration of a recipe costs on this machine, with the data in memory.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "bench/kernel_share.hpp"
#include "comm/communicator.hpp"
#include "storage/hdf5_thread.hpp"
#include "train/run_config.hpp"

namespace ganymede::bench {

struct StepBenchOptions {
  int64_t iterations = 50;
  int64_t warmup = 5;
  bool kernels = true;  // time the step's convolutions and matrix products alone, too
};

struct StepBenchResult {
  std::vector<double> step_ms;     // one an iteration, of this rank, warm-up left out
  double start_to_first_step_s = 0;  // from the start of the process to the end of the first settled iteration
  double peak_rss_mib = 0;           // of this process
  double data_wait_ms = 0, comm_exposed_ms = 0;  // means an iteration
  int64_t global_batch = 0;
  int threads = 0;
  std::vector<KernelCalls> kernels;  // of one more iteration
};

/// Collective. Writes no file.
StepBenchResult bench_step(const train::RunConfig& config, const StepBenchOptions& options, comm::Communicator& communicator, storage::Hdf5Thread& hdf5);

/// Seconds since this process was started, by the system's own account.
double process_age_s();
double peak_resident_mib();

}  // namespace ganymede::bench
