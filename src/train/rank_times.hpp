// Who is slow: each rank's own time a step (without its waits for others), compared at every row of statistics.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ganymede::train {

struct RankTimes {
  double median_ms = 0, slowest_ms = 0;  // the lower median: with two ranks the faster one's
  int slowest = 0;                       // rank
  double skew() const { return median_ms > 0 ? slowest_ms / median_ms : 1.0; }
};
/// One time a rank, at least one.
RankTimes compare(const std::vector<double>& own_ms);

class SlowRankWatch {
 public:
  static constexpr double factor = 1.5;  // of the median, above which a rank counts as slow
  static constexpr int rows = 3;         // in a row, before it is said
  explicit SlowRankWatch(std::vector<std::string> hosts) : hosts_(std::move(hosts)) {}
  /// After a row: the warning if the same rank has now been the slowest, and slow, in so many rows; once until another is, or none.
  std::optional<std::string> see(int64_t step, const RankTimes& times);

 private:
  std::vector<std::string> hosts_;
  int rank_ = -1, rows_ = 0;
};

}  // namespace ganymede::train
