// Ranks as MPI processes. The communication thread makes every MPI call, start and end included (MPI_THREAD_FUNNELED), and after
// the start only non-blocking ones, so that each wait sees its deadline. Each channel has an MPI communicator of its own.
#pragma once
#include <memory>
#include <string>

#include "comm/communicator.hpp"
#include "core/deadline.hpp"

namespace ganymede::comm {

/// Collective over all processes of the job; once per process. Throws Error(Fault::launch) if the ranks do not find each other.
std::unique_ptr<Communicator> connect_mpi(Deadline deadline);

/// Version text of the MPI library; needs no start.
std::string mpi_version();

/// Whether this MPI finds the other ranks of a Slurm step through PMIx alone: Open MPI as Debian builds it ends each rank by itself with pages of
/// its own where srun offers another process manager.
bool mpi_needs_pmix();

}  // namespace ganymede::comm
