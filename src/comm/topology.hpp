// Where this rank is: what the launcher says before MPI runs, and who shares this host and its cores.
#pragma once
#include <string>

#include "comm/communicator.hpp"
#include "core/deadline.hpp"

namespace ganymede::comm {

/// From the environment only, so that log lines carry a rank before MPI starts.
struct LauncherFacts {
  enum class Launcher {
    none,
    open_mpi,    // mpirun of Open MPI
    hydra,       // mpiexec of MPICH, Intel MPI and relatives
    slurm_step,  // srun with a process manager that MPI understands
    slurm_bare,  // srun without one: every rank would be alone
    slurm_job,   // inside a job of several tasks, but started by no launcher
  };
  Launcher launcher = Launcher::none;
  int rank = 0;
  int size = 1;
};
LauncherFacts launcher_facts();

/// Throws Error(Fault::launch) with the right launch line if the launcher promises more ranks than MPI found.
void check_launch(const LauncherFacts& facts, int mpi_size);

/// Cores this process may run on.
int available_cores();

struct Topology {
  int local_rank = 0;       // our place among the ranks of this host
  int ranks_on_host = 1;
  int ranks_on_our_cores = 1;  // ranks of this host that may run on some of our cores, ourselves included
  int cores = 1;               // that this process may run on
  int smallest_share = 1;      // of the cores that a rank may run on, over all ranks; at least 1

  /// OMP_NUM_THREADS where it is set, else the smallest share: the same on every rank, as all wait for the slowest anyway.
  int threads_for_rank() const;
};
/// Collective. A launcher that binds each rank to its own cores is recognized by the ranks' core masks.
Topology find_topology(Communicator& communicator, Deadline deadline);

}  // namespace ganymede::comm
