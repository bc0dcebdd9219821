// Links and clocks between ranks, by the Communicator that training uses.
#pragma once
#include <cstdint>
#include <vector>

#include "comm/communicator.hpp"
#include "core/deadline.hpp"

namespace ganymede::bench {

struct PairRate {
  int a = 0, b = 0;        // ranks
  double gb_per_s = 0;     // each way, both ways at once, best of several
  double latency_us = 0;   // a small message there and one back at once
};

struct ClockReading {
  double offset_ms = 0;     // of this rank's clock, ahead of rank 0's
  double within_ms = 0;     // half of the fastest round trip: the offset is known no better
};

/// Who meets whom: rounds in which every entry has at most one partner (a tournament); all pairs of n once in n−1 rounds, or n if n is odd.
/// partners[i] is the partner of entry i, −1: none.
std::vector<std::vector<int>> tournament(int entries);

/// All pairs of ranks, several at a time; of more than `most_ranks` ranks only the first of each host. The same on every rank. Collective.
std::vector<PairRate> probe_pairs(comm::Communicator& communicator, int64_t bytes, double operation_deadline_s);

/// Each rank's wall clock against rank 0's, by the fastest of several exchanges of time stamps (as NTP does). Collective.
std::vector<ClockReading> probe_clocks(comm::Communicator& communicator, double operation_deadline_s);

}  // namespace ganymede::bench
