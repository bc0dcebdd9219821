// How long an operation may take: learned from those before it, for each section of a job apart. A wait that is normal for a save would
// hide a hang in a step, and a fixed wait is too long for a small network and too short for a large one.
#pragma once
#include <array>
#include <cstdint>

#include "comm/communicator.hpp"
#include "core/deadline.hpp"

namespace ganymede::comm {

/// The 99th percentile of the last thousands of times, up to 9 %: counts by eighths of an octave.
class Percentile {
 public:
  void add(double seconds);
  /// Upper edge of the class that holds it; 0 without any.
  double p99_s() const;
  int64_t count() const { return count_; }

 private:
  static constexpr int classes = 8 * 32;  // 1 µs to 4,000 s
  std::array<int64_t, classes> counts_{};
  int64_t count_ = 0;
};

/// Not for several threads at once.
class LearnedDeadlines {
 public:
  static constexpr double times_p99 = 10.0;
  static constexpr int64_t enough = 100;  // operations of a step before its deadlines are learned

  /// Deadlines are learned from now on, and never get shorter than this. Before, they are the callers' own.
  void set_floor(double floor_s) { floor_s_ = floor_s; }
  bool is_learning() const { return floor_s_ > 0; }
  void enter(Section section);
  Section section() const { return section_; }
  /// An operation that began in `section` took that long, its wait for the slowest rank included.
  void observe(Section section, double seconds);
  /// max(floor, 10 × p99) for a step; for saves and evaluations, which are few, 10 × the longest in those that have ended; the caller's own
  /// while too little has been seen. Never later than the caller's own.
  Deadline tighten(Deadline longest) const;

 private:
  double learned_s() const;  // 0: nothing yet
  double floor_s_ = 0;
  Section section_ = Section::set_up;
  Percentile steps_;
  struct Rare {
    double longest_s = 0;      // of all that have been left
    double longest_now_s = 0;  // of all
    bool has_ended = false;
  };
  std::array<Rare, section_count> rare_;
};

}  // namespace ganymede::comm
