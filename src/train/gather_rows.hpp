// The rows that each rank holds, one rank's below the other's, on every rank: for checks and records, not for the step.
#pragma once
#include "comm/communicator.hpp"

namespace ganymede::train {

/// own: [n_r, …]; n_r may differ and be 0. Bit for bit what each rank gave. Collective.
at::Tensor gather_rows(comm::Communicator& communicator, const at::Tensor& own, const char* what, Deadline deadline);

}  // namespace ganymede::train
