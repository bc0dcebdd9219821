// `ganymede doctor`: whether the ranks of a job, as they were started, can train together, and which of them would hold the others up.
//
// examine() measures (at most half a minute, everything with a deadline), judge() decides; the second is a function of the first's
// figures alone, so that each finding can be tested without a broken cluster.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "bench/disk_probe.hpp"
#include "bench/host_facts.hpp"
#include "bench/link_probe.hpp"
#include "comm/communicator.hpp"
#include "core/error.hpp"

namespace ganymede::bench {

struct ProductReading {
  double gflop_per_s = 0;  // float32 matrix product, this rank's threads, while all ranks compute; best of several
  std::string sha256;      // of the product and of a convolution, made from the same numbers on every rank
  bool repeats = true;     // the same bits when done again
};

struct AllReduceReading {
  int64_t size = 0;    // bytes
  double time_us = 0;  // median over iterations of the slowest rank
  double bus_gb_per_s = 0;
};

/// All that was measured; vectors by rank, but for pairs and all-reduces. The same on every rank.
struct Examination {
  std::vector<HostFacts> ranks;
  std::vector<ProductReading> products;
  std::vector<ClockReading> clocks;
  std::vector<DiskReading> disks;
  std::vector<PairRate> pairs;
  std::vector<AllReduceReading> all_reduces;
  std::string folder;
};

struct Finding {
  enum class Kind { fine, warning, failure };
  Kind kind = Kind::fine;
  std::string check;  // one word: "versions"
  std::string text;
  Fault fault = Fault::launch;  // of a failure
};

/// Collective. Throws Error(Fault::peer) if a rank does not answer within `operation_deadline_s`.
Examination examine(const std::filesystem::path& folder, comm::Communicator& communicator, double operation_deadline_s = 10.0);

/// One finding or more for each check, in a fixed order. Failures: ranks that would not train the same (Fault::launch), a folder that
/// cannot be written (Fault::cannot_write). Warnings: what makes a run slow or is likely to end it.
std::vector<Finding> judge(const Examination& examination);

/// The exit code: 0, or the first failure's.
int exit_code_of(const std::vector<Finding>& findings);

}  // namespace ganymede::bench
