#include "bench/step_bench.hpp"

#include <ATen/Parallel.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>

#include "bench/samples.hpp"
#include "train/session.hpp"

namespace ganymede::bench {

double process_age_s() {
  std::ifstream file("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 2));  // the name in parentheses may hold blanks
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;  // field 22: start in clock ticks since boot
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec) - std::stod(field) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double peak_resident_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

StepBenchResult bench_step(const train::RunConfig& config, const StepBenchOptions& options, comm::Communicator& communicator, storage::Hdf5Thread& hdf5) {
  StepBenchResult result;
  train::Session session(config, communicator, hdf5);
  session.run_iteration();
  session.settle();
  result.start_to_first_step_s = process_age_s();
  for (int64_t i = 1; i < options.warmup; ++i) session.run_iteration();
  session.reader().take_wait_ms();
  session.waits() = {};
  for (int64_t i = 0; i < options.iterations; ++i) {
    const auto start = Clock::now();
    session.run_iteration();
    result.step_ms.push_back(us_since(start) / 1e3);
  }
  session.settle();
  const double n = static_cast<double>(options.iterations);
  result.data_wait_ms = session.reader().take_wait_ms() / n;
  result.comm_exposed_ms = session.waits().exposed_ms / n;
  result.peak_rss_mib = peak_resident_mib();
  result.global_batch = session.plan().global_batch;
  result.threads = at::get_num_threads();
  if (!options.kernels) return result;
  // After everything else, so that neither times nor the peak hold what this needs.
  result.kernels = time_kernels([&] {
    session.run_iteration();
    session.settle();
  });
  return result;
}

}  // namespace ganymede::bench
