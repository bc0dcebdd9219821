#include "comm/launch.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <system_error>
#include <thread>

#include "comm/topology.hpp"
#include "core/error.hpp"
#include "core/log.hpp"

namespace ganymede::comm {
namespace {

constexpr int stop_signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
volatile pid_t mpirun_process = 0;

// mpirun answers SIGTERM, SIGINT and SIGHUP by killing the ranks soon after, and ends with 1; SIGUSR1 it hands on to them, and keeps
// their code. So the first request to stop goes on as SIGUSR1; whoever asks again means it.
void pass_stop_on(int) {
  static volatile std::sig_atomic_t asked = 0;
  const int saved = errno;
  kill(mpirun_process, asked ? SIGTERM : SIGUSR1);
  asked = 1;
  errno = saved;
}

// The command's process: in a group of its own, so that Ctrl-C in a terminal comes through us alone; gone when we are.
[[noreturn]] void become(std::vector<std::string> command, int failure_pipe) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  const int nothing = open("/dev/null", O_RDONLY);
  if (nothing >= 0) dup2(nothing, STDIN_FILENO);
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  const int why = errno;
  [[maybe_unused]] const auto told = write(failure_pipe, &why, sizeof why);
  _exit(1);
}

}  // namespace

std::vector<std::string> mpirun_command(int ranks, int cores, const std::vector<std::string>& program) {
  // -q: after a failure only our own message is printed, not mpirun's about an exit code.
  std::vector<std::string> command = {"mpirun", "-q", "-np", std::to_string(ranks), "--bind-to", "none", "--mca", "btl_vader_single_copy_mechanism", "none"};
  if (ranks > cores) command.insert(command.end(), {"--oversubscribe", "--mca", "mpi_yield_when_idle", "1"});
  command.insert(command.end(), program.begin(), program.end());
  return command;
}

int run_mpirun(int ranks, const std::vector<std::string>& program) {
  if (ranks < 1) throw Error(Fault::usage, "--ranks {}: at least one rank is needed", ranks);
  const int cores = available_cores();
  if (geteuid() == 0) {
    if (!std::getenv("OMPI_ALLOW_RUN_AS_ROOT")) log::warning("running mpirun as root, which a mistake in any rank can make costly");
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
  }
  setenv("OMP_NUM_THREADS", std::to_string(std::max(1, cores / ranks)).c_str(), 0);
  int failure[2];
  if (pipe2(failure, O_CLOEXEC) != 0) throw Error(Fault::io, "no pipe could be made: {}", std::generic_category().message(errno));
  // Stop signals wait until the process that they are handed on to is known.
  sigset_t stops, before;
  sigemptyset(&stops);
  for (const int signal : stop_signals) sigaddset(&stops, signal);
  sigprocmask(SIG_BLOCK, &stops, &before);
  mpirun_process = fork();
  if (mpirun_process < 0) throw Error(Fault::launch, "no process could be made for mpirun: {}", std::generic_category().message(errno));
  if (mpirun_process == 0) {
    sigprocmask(SIG_SETMASK, &before, nullptr);
    become(mpirun_command(ranks, cores, program), failure[1]);
  }
  close(failure[1]);
  struct sigaction action {};
  action.sa_handler = pass_stop_on;
  for (const int signal : stop_signals) sigaction(signal, &action, nullptr);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  int why = 0, status = 0;
  ssize_t told;
  while ((told = read(failure[0], &why, sizeof why)) < 0 && errno == EINTR) {}
  close(failure[0]);
  while (waitpid(mpirun_process, &status, 0) < 0 && errno == EINTR) {}
  if (told > 0)
    throw Error(Fault::launch, "mpirun could not be started")
        .cause("{}", std::generic_category().message(why))
        .remedy("install Open MPI (Debian: openmpi-bin), add it to PATH, or leave out --ranks");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void let_launcher_forward() { std::this_thread::sleep_for(std::chrono::milliseconds(300)); }

}  // namespace ganymede::comm
