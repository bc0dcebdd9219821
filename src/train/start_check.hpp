// Before step 0: whether all ranks would train the same. Each fact is compared by its hash; only texts of facts that differ travel.
#pragma once
#include <string>
#include <vector>

#include "comm/communicator.hpp"

namespace ganymede::train {

/// One thing that ranks must have alike, in a line or several ("run.seed = 3").
struct StartFact {
  std::string name, value;
};

/// Collective. The differing facts, one text each, at most `most` lines a fact: "recipe: run.seed = 3 on ranks 0, 1 (a, b), run.seed = 4
/// on rank 2 (c)". The same on every rank; empty if all agree. Ranks may even have other names for their facts.
std::vector<std::string> differences(comm::Communicator& communicator, const std::vector<StartFact>& facts, const std::string& what, Deadline deadline);

/// Throws Error(Fault::launch) on rank 0, comm::PeerError on the others, where any fact differs.
void require_equal(comm::Communicator& communicator, const std::vector<StartFact>& facts, const std::string& what, Deadline deadline);

}  // namespace ganymede::train
