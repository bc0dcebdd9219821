// For tests that mpirun starts: the communicator of all ranks, from comm/mpi_main.cpp.
#pragma once
#include "comm/communicator.hpp"

namespace ganymede::test {

comm::Communicator& comm();

}  // namespace ganymede::test
