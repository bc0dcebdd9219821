// A moment by which an operation must have finished: made once per operation and passed down, so that waits do not add up.
#pragma once
#include <chrono>

namespace ganymede {

class Deadline {
 public:
  using Clock = std::chrono::steady_clock;
  static Deadline in(std::chrono::duration<double> span) {
    return Deadline(Clock::now() + std::chrono::duration_cast<Clock::duration>(span), span.count());
  }
  bool has_passed() const { return Clock::now() >= moment_; }
  Clock::time_point moment() const { return moment_; }
  /// The span it was made with, for messages.
  double span_s() const { return span_s_; }

 private:
  Deadline(Clock::time_point moment, double span_s) : moment_(moment), span_s_(span_s) {}
  Clock::time_point moment_;
  double span_s_;
};

}  // namespace ganymede
