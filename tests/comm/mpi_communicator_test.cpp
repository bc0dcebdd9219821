// The engine over MPI; started by mpirun on 1, 2, 3 and 4 ranks.
#include "comm/mpi_communicator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include <cstdlib>

#include "comm/communicator_checks.hpp"
#include "comm/mpi_test.hpp"
#include "comm/topology.hpp"

namespace ganymede::test {

using namespace std::chrono_literals;

TEST(Mpi, KnowsItsRanks) {
  EXPECT_EQ(comm().backend(), "mpi");
  const ganymede::comm::LauncherFacts facts = ganymede::comm::launcher_facts();
  EXPECT_EQ(comm().rank(), facts.rank);
  EXPECT_EQ(comm().size(), facts.size);
  EXPECT_THAT(ganymede::comm::mpi_version(), ::testing::HasSubstr("MPI"));
}
TEST(Mpi, Sums) { check_sums(comm()); }
TEST(Mpi, StatisticsAmongGradients) { check_statistics_among_gradients(comm()); }
TEST(Mpi, ManyOutstanding) { check_many_outstanding(comm()); }
TEST(Mpi, GatherBroadcastBarrier) { check_gather_broadcast_barrier(comm()); }
TEST(Mpi, Exchange) { check_exchange(comm()); }
TEST(Mpi, Texts) { check_texts(comm()); }
TEST(Mpi, Split) { check_split(comm()); }
TEST(Mpi, Traffic) { check_traffic(comm()); }
TEST(Mpi, RandomProgram) {
  const auto seeds = comm().gather_texts(std::to_string(std::random_device()()), "seed", Deadline::in(60s));
  check_random_program(comm(), std::stoull(seeds[0]));
}
TEST(Mpi, Topology) {
  const ganymede::comm::Topology topology = ganymede::comm::find_topology(comm(), Deadline::in(60s));
  EXPECT_EQ(topology.ranks_on_host, comm().size());  // mpirun started all of them here, bound to no core
  EXPECT_EQ(topology.local_rank, comm().rank());
  EXPECT_EQ(topology.ranks_on_our_cores, comm().size());
  setenv("OMP_NUM_THREADS", "3", 1);
  EXPECT_EQ(topology.threads_for_rank(), 3);
  unsetenv("OMP_NUM_THREADS");
  EXPECT_EQ(topology.threads_for_rank(), std::max(1, ganymede::comm::available_cores() / comm().size()));
}

}  // namespace ganymede::test
