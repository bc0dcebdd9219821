#include "train/rank_times.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ganymede::train {

RankTimes compare(const std::vector<double>& own_ms) {
  auto sorted = own_ms;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>((sorted.size() - 1) / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  const auto slowest = std::max_element(own_ms.begin(), own_ms.end());
  return {*middle, *slowest, static_cast<int>(slowest - own_ms.begin())};
}

std::optional<std::string> SlowRankWatch::see(int64_t step, const RankTimes& times) {
  const int slow = times.skew() > factor ? times.slowest : -1;
  rows_ = slow == rank_ ? rows_ + 1 : 1;
  rank_ = slow;
  if (slow < 0 || rows_ != rows) return {};
  return fmt::format("step {}: rank {} on {} has been slow for {} rows of statistics: {:.1f} ms a step of its own against {:.1f} ms of the ranks' median\n"
                     "  cause: all ranks wait for it; another program, a hot or throttled processor, or slow storage there\n"
                     "  remedy: look at that host, or leave it out of the job",
                     step, slow, hosts_[static_cast<size_t>(slow)], rows, times.slowest_ms, times.median_ms);
}

}  // namespace ganymede::train
