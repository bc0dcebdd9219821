// Starting ourselves under mpirun on this host: `ganymede train --ranks n`.
#pragma once
#include <string>
#include <vector>

namespace ganymede::comm {

/// The command line that run_mpirun starts: mpirun, its options for `ranks` ranks on `cores` cores, then `program`.
std::vector<std::string> mpirun_command(int ranks, int cores, const std::vector<std::string>& program);

/// Runs `program` (its path and arguments) on `ranks` ranks of this host under mpirun, to the end; gives its exit code, 128 + n after a
/// death by signal n. A stop signal to this process reaches the ranks as SIGUSR1, a second one ends them. As root it allows mpirun to
/// run, with a warning. Sets OMP_NUM_THREADS to each rank's share of the cores unless it is set. Call it before any thread is made.
/// Throws Error(Fault::launch) if there is no mpirun.
int run_mpirun(int ranks, const std::vector<std::string>& program);

/// mpirun drops what a rank has printed just before it leaves with a failure: the last to print waits a moment. 0.3 s.
void let_launcher_forward();

}  // namespace ganymede::comm
