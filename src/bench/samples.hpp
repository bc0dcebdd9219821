// Times measured one by one, and what is told of them.
#pragma once
#include <chrono>
#include <vector>

#include "comm/communicator.hpp"
#include "core/deadline.hpp"

namespace ganymede::bench {

using Clock = std::chrono::steady_clock;

inline double us_since(Clock::time_point start) { return std::chrono::duration<double, std::micro>(Clock::now() - start).count(); }

/// The q-quantile (0 … 1) of the values, interpolated.
double quantile(std::vector<double> values, double q);

struct Spread {
  double min = 0, max = 0, mean = 0, p50 = 0, p95 = 0, p99 = 0, stdev = 0;
  double cv_percent() const { return mean > 0 ? 100.0 * stdev / mean : 0.0; }
};
/// Of at least one value.
Spread spread_of(const std::vector<double>& values);

using SamplesOfRanks = std::vector<std::vector<double>>;  // [rank][sample]

/// Every rank's samples, which must be as many everywhere. Collective.
SamplesOfRanks gather_samples(comm::Communicator& communicator, const std::vector<double>& own, Deadline deadline);
/// Each rank's mean, in rank order.
std::vector<double> means_of(const SamplesOfRanks& samples);
/// For each sample the slowest rank's.
std::vector<double> slowest_of(const SamplesOfRanks& samples);

}  // namespace ganymede::bench
