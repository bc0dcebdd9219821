// Virtual ranks: S ranks as threads of R processes, so that a run's bits do not depend on how many processes share the work.
//
// Each virtual rank computes what a rank of S processes would, with one thread of its own. Sums are taken inside a process first and
// over processes then: since sums over ranks follow a fixed binary tree (sums.hpp) in which a process' ranks are a whole subtree,
// every layout gives the same bits. All else (statistics, messages) is gathered by virtual rank.
#pragma once
#include <functional>

#include "comm/communicator.hpp"

namespace ganymede::comm {

/// Runs `body` once for each of this process' ranks / processes.size() virtual ranks, the first on the calling thread. Virtual rank
/// v lives in process v / (ranks / processes.size()). If a body throws, all others hear of it, and the first failure is rethrown here
/// once all have ended. Throws Error(Fault::recipe) unless `ranks` is processes.size() times a power of two.
void run_virtual_ranks(Communicator& processes, int ranks, const std::function<void(Communicator&)>& body);

}  // namespace ganymede::comm
