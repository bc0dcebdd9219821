// Ranks as threads of one process: tests of distributed code need no launcher.
#pragma once
#include <functional>

#include "comm/communicator.hpp"

namespace ganymede::comm {

/// Runs `body` once per rank, each on its own thread with its own communicator, and returns when all have ended. If a body throws,
/// the others hear of it as through MPI, and the first failure that is not an echo of another is rethrown here.
void run_thread_ranks(int size, const std::function<void(Communicator&)>& body);

}  // namespace ganymede::comm
