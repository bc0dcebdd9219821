#include "comm/launch.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "comm/topology.hpp"
#include "core/error.hpp"
#include "core/log.hpp"

namespace ganymede::comm {

std::vector<std::string> mpirun_command(int ranks, int cores, const std::vector<std::string>& program) {
  // -q: after a failure only our own message is printed, not mpirun's about an exit code.
  std::vector<std::string> command = {"mpirun", "-q", "-np", std::to_string(ranks), "--bind-to", "none", "--mca", "btl_vader_single_copy_mechanism", "none"};
  if (ranks > cores) command.insert(command.end(), {"--oversubscribe", "--mca", "mpi_yield_when_idle", "1"});
  command.insert(command.end(), program.begin(), program.end());
  return command;
}

void exec_mpirun(int ranks, const std::vector<std::string>& program) {
  if (ranks < 1) throw Error(Fault::usage, "--ranks {}: at least one rank is needed", ranks);
  const int cores = available_cores();
  if (geteuid() == 0) {
    if (!std::getenv("OMPI_ALLOW_RUN_AS_ROOT")) log::warning("running mpirun as root, which a mistake in any rank can make costly");
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
  }
  setenv("OMP_NUM_THREADS", std::to_string(std::max(1, cores / ranks)).c_str(), 0);
  std::vector<std::string> command = mpirun_command(ranks, cores, program);
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  throw Error(Fault::launch, "mpirun could not be started")
      .cause("{}", std::generic_category().message(errno))
      .remedy("install Open MPI (Debian: openmpi-bin), add it to PATH, or leave out --ranks");
}

}  // namespace ganymede::comm
