// The folder that a run would write to: whether all ranks see it, what it takes to write there and to be sure of it.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "comm/communicator.hpp"
#include "core/deadline.hpp"

namespace ganymede::bench {

struct DiskReading {
  std::string failure;         // empty: the folder can be used; else why not
  int64_t free_bytes = 0;
  double write_mib_per_s = 0;  // of one file, its fsync included
  double fsync_ms = 0;         // median of small writes, each with its fsync
};

/// Writes and removes files of some MiB in `folder`, which is made and removed again if it is not there. Every rank looks for what rank 0
/// wrote; the first rank of each host writes. What fails is said in the reading, not thrown. Collective.
DiskReading probe_disk(const std::filesystem::path& folder, comm::Communicator& communicator, double operation_deadline_s);

}  // namespace ganymede::bench
