// What every backend must do, written once: called with ranks as threads and with ranks as MPI processes. Each function is
// collective and reports through GoogleTest on every rank.
#pragma once
#include "comm/communicator.hpp"

namespace ganymede::test {

/// Sizes from none to several pieces, all types, each channel: exact against the sum in rank order computed here, and repeatable.
void check_sums(comm::Communicator& comm);
/// Statistics issued while large gradients are in flight.
void check_statistics_among_gradients(comm::Communicator& comm);
void check_many_outstanding(comm::Communicator& comm);
void check_gather_broadcast_barrier(comm::Communicator& comm);
void check_exchange(comm::Communicator& comm);
void check_texts(comm::Communicator& comm);
void check_split(comm::Communicator& comm);
void check_traffic(comm::Communicator& comm);
/// A random program of operations, the same on all ranks, started in random order of channels.
void check_random_program(comm::Communicator& comm, uint64_t seed);

}  // namespace ganymede::test
