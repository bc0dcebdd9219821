#include "comm/topology.hpp"

#include <sched.h>

#include <algorithm>
#include <bitset>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "core/error.hpp"

namespace ganymede::comm {
namespace {

std::optional<int> number_in_environment(const char* name) {
  const char* text = std::getenv(name);
  if (!text) return std::nullopt;
  const std::string_view digits(text);
  int value = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (failure != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

int number_or(const char* name, int otherwise) { return number_in_environment(name).value_or(otherwise); }

constexpr int most_cores = 4096;
using CoreMask = std::bitset<most_cores>;

CoreMask own_core_mask() {
  CoreMask mask;
  cpu_set_t* set = CPU_ALLOC(most_cores);
  const size_t bytes = CPU_ALLOC_SIZE(most_cores);
  CPU_ZERO_S(bytes, set);
  if (sched_getaffinity(0, bytes, set) == 0) {
    for (int core = 0; core < most_cores; ++core) mask[core] = CPU_ISSET_S(core, bytes, set);
  }
  CPU_FREE(set);
  if (mask.none()) mask.set(0);
  return mask;
}

}  // namespace

LauncherFacts launcher_facts() {
  using Launcher = LauncherFacts::Launcher;
  if (const auto size = number_in_environment("OMPI_COMM_WORLD_SIZE")) return {Launcher::open_mpi, number_or("OMPI_COMM_WORLD_RANK", 0), *size};
  const bool is_step = std::getenv("SLURM_STEP_ID") != nullptr;
  if (is_step) {
    const int size = number_or("SLURM_STEP_NUM_TASKS", number_or("SLURM_NTASKS", 1));
    const bool has_manager = std::getenv("PMIX_RANK") || std::getenv("PMI_RANK");
    return {has_manager ? Launcher::slurm_step : Launcher::slurm_bare, number_or("PMIX_RANK", number_or("SLURM_PROCID", 0)), size};
  }
  if (const auto size = number_in_environment("PMI_SIZE")) return {Launcher::hydra, number_or("PMI_RANK", 0), *size};
  if (const auto size = number_in_environment("SLURM_NTASKS")) return {Launcher::slurm_job, 0, *size};
  return {};
}

void check_launch(const LauncherFacts& facts, int mpi_size) {
  using Launcher = LauncherFacts::Launcher;
  if (facts.size <= 1 || mpi_size > 1) return;
  Error error(Fault::launch, "the launcher's environment says {} ranks, but this process found itself alone", facts.size);
  switch (facts.launcher) {
    case Launcher::slurm_bare:
      throw error.cause("srun gave the ranks no way to find each other").remedy("start with `srun --mpi=pmix ganymede train …`");
    case Launcher::slurm_step:
      throw error.cause("the process manager that srun chose does not fit this MPI").remedy("start with `srun --mpi=pmix ganymede train …`");
    case Launcher::slurm_job:
      throw error.cause("inside a Slurm job of {} tasks the program was started without a launcher", facts.size)
          .remedy("start with `srun --mpi=pmix ganymede train …`, or `srun -n 1 --mpi=pmix ganymede train …` for a single rank");
    default:
      throw error.cause("the mpirun that started it belongs to another MPI than the one the program was built with")
          .remedy("start with `mpirun -np {} ganymede train …` of {}", facts.size, "the MPI that `ganymede --version` names");
  }
}

int available_cores() { return static_cast<int>(own_core_mask().count()); }

int Topology::threads_for_rank() const {
  if (const auto asked = number_in_environment("OMP_NUM_THREADS"); asked && *asked > 0) return *asked;
  return smallest_share;
}

Topology find_topology(Communicator& communicator, Deadline deadline) {
  const CoreMask own = own_core_mask();
  const auto masks = communicator.gather_texts(own.to_string(), "core masks", deadline);
  const auto& hosts = communicator.hosts();
  Topology topology;
  topology.cores = static_cast<int>(own.count());
  topology.ranks_on_host = topology.ranks_on_our_cores = 0;
  for (int r = 0; r < communicator.size(); ++r) {
    if (hosts[r] != hosts[communicator.rank()]) continue;
    if (r == communicator.rank()) topology.local_rank = topology.ranks_on_host;
    ++topology.ranks_on_host;
    if ((CoreMask(masks[r]) & own).any()) ++topology.ranks_on_our_cores;
  }
  topology.smallest_share = most_cores;
  for (int r = 0; r < communicator.size(); ++r) {
    const CoreMask cores(masks[r]);
    int sharing = 0;
    for (int other = 0; other < communicator.size(); ++other)
      if (hosts[other] == hosts[r] && (CoreMask(masks[other]) & cores).any()) ++sharing;
    topology.smallest_share = std::min(topology.smallest_share, std::max(1, static_cast<int>(cores.count()) / sharing));
  }
  return topology;
}

}  // namespace ganymede::comm
