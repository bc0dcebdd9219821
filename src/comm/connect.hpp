// The communicator that fits how the program was started: MPI under a launcher, solo without one.
#pragma once
#include <memory>

#include "comm/communicator.hpp"
#include "core/deadline.hpp"

namespace ganymede::comm {

/// Starts MPI only where a launcher's environment says more than one rank (starting it costs a second). Throws
/// Error(Fault::launch) with the right launch line if the ranks cannot find each other.
std::unique_ptr<Communicator> connect(Deadline deadline);

}  // namespace ganymede::comm
