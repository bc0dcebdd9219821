#include "bench/samples.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ganymede::bench {
namespace {

double mean_of(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size()); }

}  // namespace

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(at);
  const auto above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
}

Spread spread_of(const std::vector<double>& values) {
  Spread spread;
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  spread.min = *least, spread.max = *most, spread.mean = mean_of(values);
  spread.p50 = quantile(values, .5), spread.p95 = quantile(values, .95), spread.p99 = quantile(values, .99);
  double squares = 0;
  for (const double value : values) squares += (value - spread.mean) * (value - spread.mean);
  spread.stdev = std::sqrt(squares / static_cast<double>(values.size()));
  return spread;
}

SamplesOfRanks gather_samples(comm::Communicator& communicator, const std::vector<double>& own, Deadline deadline) {
  const auto all = communicator.all_gather(at::tensor(own, at::kDouble), "samples", deadline, comm::Channel::control);
  const auto* values = all.const_data_ptr<double>();
  SamplesOfRanks samples;
  for (int r = 0; r < communicator.size(); ++r) samples.emplace_back(values + r * own.size(), values + (r + 1) * own.size());
  return samples;
}

std::vector<double> means_of(const SamplesOfRanks& samples) {
  std::vector<double> means;
  for (const auto& own : samples) means.push_back(mean_of(own));
  return means;
}

std::vector<double> slowest_of(const SamplesOfRanks& samples) {
  std::vector<double> slowest = samples.front();
  for (const auto& own : samples)
    for (size_t i = 0; i < own.size(); ++i) slowest[i] = std::max(slowest[i], own[i]);
  return slowest;
}

}  // namespace ganymede::bench
