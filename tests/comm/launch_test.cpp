// What a launcher's environment says, and the command line of `--ranks n`.
#include "comm/launch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "comm/connect.hpp"
#include "comm/thread_ranks.hpp"
#include "comm/topology.hpp"
#include "core/error.hpp"

namespace ganymede::comm {

using Launcher = LauncherFacts::Launcher;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

/// Replaces all of a launcher's variables for the life of the object.
class LauncherEnvironment {
 public:
  explicit LauncherEnvironment(const std::map<std::string, std::string>& variables) {
    for (const char* name : names) {
      if (const char* value = std::getenv(name)) before_[name] = value;
      unsetenv(name);
    }
    for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
  }
  ~LauncherEnvironment() {
    for (const char* name : names) unsetenv(name);
    for (const auto& [name, value] : before_) setenv(name.c_str(), value.c_str(), 1);
  }

 private:
  static constexpr const char* names[] = {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMI_SIZE", "PMI_RANK", "PMIX_RANK", "SLURM_STEP_ID",
                                          "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", "SLURM_PROCID", "OMP_NUM_THREADS"};
  std::map<std::string, std::string> before_;
};

TEST(LauncherFacts, FromTheEnvironment) {
  struct Case {
    std::map<std::string, std::string> variables;
    Launcher launcher;
    int rank, size;
  };
  for (const Case& one : {
           Case{{}, Launcher::none, 0, 1},
           Case{{{"OMPI_COMM_WORLD_SIZE", "4"}, {"OMPI_COMM_WORLD_RANK", "3"}, {"SLURM_STEP_ID", "0"}, {"SLURM_NTASKS", "8"}}, Launcher::open_mpi, 3, 4},
           Case{{{"PMI_SIZE", "2"}, {"PMI_RANK", "1"}}, Launcher::hydra, 1, 2},
           Case{{{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "6"}, {"SLURM_NTASKS", "8"}, {"SLURM_PROCID", "5"}, {"PMIX_RANK", "5"}}, Launcher::slurm_step, 5, 6},
           Case{{{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "6"}, {"SLURM_PROCID", "5"}}, Launcher::slurm_bare, 5, 6},
           Case{{{"SLURM_NTASKS", "8"}}, Launcher::slurm_job, 0, 8},
           Case{{{"OMPI_COMM_WORLD_SIZE", "many"}}, Launcher::none, 0, 1},
       }) {
    LauncherEnvironment environment(one.variables);
    const LauncherFacts facts = launcher_facts();
    EXPECT_EQ(facts.launcher, one.launcher);
    EXPECT_EQ(facts.rank, one.rank);
    EXPECT_EQ(facts.size, one.size);
  }
}

TEST(LauncherFacts, RanksThatStayAloneAreAnError) {
  EXPECT_NO_THROW(check_launch({Launcher::none, 0, 1}, 1));
  EXPECT_NO_THROW(check_launch({Launcher::slurm_step, 0, 4}, 4));
  for (const Launcher launcher : {Launcher::slurm_step, Launcher::slurm_bare, Launcher::slurm_job, Launcher::hydra, Launcher::open_mpi}) {
    try {
      check_launch({launcher, 0, 4}, 1);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 69);
      const bool is_slurm = launcher != Launcher::hydra && launcher != Launcher::open_mpi;
      EXPECT_THAT(error.what(), HasSubstr(is_slurm ? "srun --mpi=pmix" : "mpirun -np 4"));
    }
  }
}

TEST(Connect, IsSoloWithoutALauncher) {
  LauncherEnvironment environment({});
  EXPECT_EQ(connect(Deadline::in(std::chrono::seconds(10)))->backend(), "solo");
}

TEST(Topology, EveryRankTakesTheSmallestShare) {
  LauncherEnvironment environment({});
  Topology topology{.local_rank = 0, .ranks_on_host = 4, .ranks_on_our_cores = 4, .cores = 16, .smallest_share = 3};
  EXPECT_EQ(topology.threads_for_rank(), 3);
  setenv("OMP_NUM_THREADS", "7", 1);
  EXPECT_EQ(topology.threads_for_rank(), 7);
}

TEST(Topology, SharesCoresAmongRanksThatShareThem) {
  LauncherEnvironment environment({});
  for (const int ranks : {1, 2, 5})
    run_thread_ranks(ranks, [&](Communicator& communicator) {
      const auto topology = find_topology(communicator, Deadline::in(std::chrono::seconds(60)));
      EXPECT_EQ(topology.ranks_on_our_cores, ranks);
      EXPECT_EQ(topology.threads_for_rank(), std::max(1, available_cores() / ranks));
    });
}

TEST(Launch, CommandLine) {
  const auto fits = mpirun_command(2, 2, {"/x/ganymede", "train", "a b.toml"});
  EXPECT_EQ(fits.front(), "mpirun");
  EXPECT_THAT(fits, Not(Contains("--oversubscribe")));
  EXPECT_EQ(std::vector<std::string>(fits.end() - 3, fits.end()), (std::vector<std::string>{"/x/ganymede", "train", "a b.toml"}));
  EXPECT_THAT(mpirun_command(3, 2, {"x"}), Contains("--oversubscribe"));
}

TEST(Launch, KeepsTheProgramsExitCode) {
  LauncherEnvironment environment({});
  EXPECT_EQ(run_mpirun(3, {"/bin/sh", "-c", "test \"$OMPI_COMM_WORLD_SIZE\" = 3 && test -n \"$OMP_NUM_THREADS\""}), 0);
  EXPECT_EQ(run_mpirun(2, {"/bin/sh", "-c", "exit 65"}), 65);
}

// Each rank tells by a file that its trap is set; then a child of ours asks us to stop.
TEST(Launch, HandsAStopOnAndKeepsTheProgramsAnswer) {
  LauncherEnvironment environment({});
  const auto folder = std::filesystem::temp_directory_path() / ("ganymede-launch-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  const pid_t asker = fork();
  if (asker == 0) {
    const auto is_ready = [&](int rank) { return std::filesystem::exists(folder / std::to_string(rank)); };
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(40);
    while (!(is_ready(0) && is_ready(1)) && std::chrono::steady_clock::now() < deadline) sched_yield();
    kill(getppid(), SIGTERM);
    _exit(0);
  }
  const std::string program = "trap 'exit 75' USR1; touch " + folder.string() + "/$OMPI_COMM_WORLD_RANK; while :; do :; done";
  EXPECT_EQ(run_mpirun(2, {"/bin/sh", "-c", program}), 75);
  waitpid(asker, nullptr, 0);
  std::filesystem::remove_all(folder);
}

TEST(Launch, WithoutMpirunIsALaunchFailure) {
  const std::string path = std::getenv("PATH");
  setenv("PATH", "/nonexistent", 1);
  EXPECT_THROW(
      {
        try {
          run_mpirun(2, {"x"});
        } catch (const Error& error) {
          EXPECT_EQ(error.exit_code(), 69);
          throw;
        }
      },
      Error);
  setenv("PATH", path.c_str(), 1);
}

}  // namespace ganymede::comm
