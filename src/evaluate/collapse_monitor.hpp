// From hits of single checks to a judgement that lasts: learning → ok → warn → collapsed.
//   learning   ends after 5 checks in a row without a collapse-level hit of diversity, two_sample or coverage, at the latest with check 40;
//              its hits count for nothing, because the first hundreds of steps of a healthy run look collapsed. Written as ok with a flag.
//   warn       3 hits of one indicator in its last 4 checks
//   collapsed  a collapse-level hit of diversity, classes, two_sample or coverage, or a hit of duplicates, in 5 of the last 6 checks
// Both leave for ok after 6 checks in a row without any hit.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "core/state.hpp"

namespace ganymede::evaluate {

enum class Indicator : size_t {
  d_wins,      // I1: D's loss near 0 and its accuracy near 1
  diversity,   // I2: spread of the fakes against the reals
  stddev,      // I3: minibatch standard deviation
  duplicates,  // I4: near-equal samples
  gradients,   // I5: gradient norms that explode or vanish
  classes,     // I6: effective classes of a frozen classifier
  two_sample,  // I7: kernel two-sample statistic
  coverage,    // I8: lost, turned over or forgotten parts of the data
  forgetting,  // I9: D no longer knows past fakes
};
constexpr size_t indicator_count = 9;

enum class Level { none, warn, collapse };
/// What each indicator said at one check; empty where it was not measured, which moves none of its windows.
using Levels = std::array<std::optional<Level>, indicator_count>;

enum class CollapseState { ok, warn, collapsed };  // 0, 1, 2 in stats.jsonl

class CollapseMonitor {
 public:
  /// Takes one check in and returns the state after it. The same on every rank that gives it the same levels.
  CollapseState see(const Levels& levels);
  CollapseState state() const { return state_; }
  bool is_learning() const { return is_learning_; }
  int64_t checks() const { return checks_; }

  void save(State& state, const std::string& group) const;
  void load(const State& state, const std::string& group);

 private:
  using Window = std::deque<bool>;
  void learn(const Levels& levels);
  void count(const Levels& levels);

  CollapseState state_ = CollapseState::ok;
  bool is_learning_ = true;
  int64_t checks_ = 0;
  int64_t calm_checks_ = 0;   // in a row, while learning
  int64_t clean_checks_ = 0;  // in a row, since
  std::array<Window, indicator_count> hits_;  // last 4 of each
  Window collapse_hits_;                      // last 6
};

}  // namespace ganymede::evaluate
