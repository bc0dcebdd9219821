// The Communicator that stands on an Engine: turns calls into operations. Serves threads and MPI alike.
#pragma once
#include <memory>
#include <string>

#include "comm/communicator.hpp"
#include "comm/engine.hpp"

namespace ganymede::comm {

/// A communicator of all ranks of the engine. Collective: gathers the host names.
std::unique_ptr<Communicator> make_communicator(std::shared_ptr<Engine> engine, std::string backend, Deadline deadline);

}  // namespace ganymede::comm
