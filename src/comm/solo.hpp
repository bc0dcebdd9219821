// A single process: every operation is the identity; no thread, no MPI.
#pragma once
#include <memory>

#include "comm/communicator.hpp"

namespace ganymede::comm {

std::unique_ptr<Communicator> solo();

}  // namespace ganymede::comm
