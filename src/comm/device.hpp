// Where a rank computes: on the host, or on the GPU that its place among the ranks of its host gives it.
#pragma once
#include <c10/core/Device.h>

#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "core/deadline.hpp"

namespace ganymede::comm {

enum class DeviceRequest { automatic, cpu, cuda };

/// What this process sees of GPUs. Takes no GPU into use.
struct VisibleGpus {
  int count = 0;
  std::string why_none;  // where count is 0: "the program was built without CUDA …"
};
VisibleGpus visible_gpus();

/// What each rank of a job has; `chosen_device` decides from all of them alike.
struct RankGpus {
  std::string host;
  int ranks_on_host = 1, local_rank = 0;
  VisibleGpus visible;
};
/// The device of rank `own`: its place on its host names its GPU. automatic: GPUs if every host has them, the host if none has.
/// Throws Error(Fault::launch), the same on all ranks: GPUs are asked for and a host has none (naming it, and why), only some hosts
/// have them, or a host has more ranks than GPUs.
c10::Device chosen_device(DeviceRequest request, const std::vector<RankGpus>& ranks, int own);

/// Collective: gathers what each rank sees and chooses.
c10::Device choose_device(DeviceRequest request, Communicator& communicator, Deadline deadline);

}  // namespace ganymede::comm
