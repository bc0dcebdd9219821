// Starting ourselves under mpirun on this host: `ganymede train --ranks n`.
#pragma once
#include <string>
#include <vector>

namespace ganymede::comm {

/// The command line that exec_mpirun runs: mpirun, its options for `ranks` ranks on `cores` cores, then `program`.
std::vector<std::string> mpirun_command(int ranks, int cores, const std::vector<std::string>& program);

/// Replaces this process by mpirun, which starts `program` (its path and arguments) on `ranks` ranks of this host; the exit code is
/// the program's. As root it allows mpirun to run, with a warning. Sets OMP_NUM_THREADS to each rank's share of the cores unless it
/// is set. Throws Error(Fault::launch) if there is no mpirun.
[[noreturn]] void exec_mpirun(int ranks, const std::vector<std::string>& program);

}  // namespace ganymede::comm
