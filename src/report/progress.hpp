// Progress for people: one line a tick. On a terminal it is redrawn in place; into a file or a pipe, as under mpirun and
// batch systems, each is a line of its own without control characters.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <string>

#include "train/observer.hpp"

namespace ganymede::report {

using Clock = std::function<std::chrono::steady_clock::time_point()>;

/// "4 s", "3 min 12 s", "2 h 05 min", "3 d 04 h".
std::string duration(double seconds);

/// The line without its end. `seconds_left`: nothing while unknown.
std::string progress_line(const train::StatisticsRow& row, int64_t last_step, std::optional<double> seconds_left);

class Progress {
 public:
  /// columns: width of the terminal, 0 if `out` is none. `out` outlives us.
  Progress(std::ostream& out, int columns, Clock clock = std::chrono::steady_clock::now);
  /// Standard error as it is: the width is asked once.
  static int columns_of_standard_error();

  void start(const train::RunFacts& facts);
  void tick(const train::StatisticsRow& row);
  /// Ends the line that was being redrawn.
  void finish();

 private:
  std::optional<double> seconds_left(const train::StatisticsRow& row);

  std::ostream& out_;
  int columns_;
  Clock clock_;
  int64_t last_step_ = 0;
  // The first tick: what comes before it (start, first allocations) says nothing about the steps to come.
  std::optional<std::pair<int64_t, std::chrono::steady_clock::time_point>> first_tick_;
  bool line_is_open_ = false;
};

}  // namespace ganymede::report
