#include "comm/connect.hpp"

#include <cstdlib>

#include "comm/mpi_communicator.hpp"
#include "comm/solo.hpp"
#include "comm/topology.hpp"

namespace ganymede::comm {

std::unique_ptr<Communicator> connect(Deadline deadline) {
  const LauncherFacts facts = launcher_facts();
  if (facts.size <= 1) return solo();
  // Known to fail: MPI would print pages of its own, or leave every rank alone.
  using Launcher = LauncherFacts::Launcher;
  const bool is_hopeless = facts.launcher == Launcher::slurm_bare || facts.launcher == Launcher::slurm_job ||
                           (facts.launcher == Launcher::slurm_step && mpi_needs_pmix() && !std::getenv("PMIX_RANK"));
  if (is_hopeless) check_launch(facts, 1);
  return connect_mpi(deadline);
}

}  // namespace ganymede::comm
