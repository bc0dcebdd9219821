// parallel.on_nonfinite = "rewind": the run goes back to its last checkpoint (kept in memory by each rank; without one, to its start) and
// repeats from there exactly what it did, the same reals and the same random numbers, since both are functions of the step. A fault that
// was a passing one (memory, a core) then leaves no trace: the run is bit for bit that without it. If the same update is not finite again,
// the fault follows from the run itself, and that one update is left out, as "skip" would.
#pragma once
#include "gan/update_guard.hpp"
#include "train/monitor.hpp"
#include "train/session.hpp"

namespace ganymede::train {

class Rewinder {
 public:
  /// Both are kept by reference; monitor may be null.
  Rewinder(Session& session, Monitor* monitor, int64_t most) : session_(session), monitor_(monitor), most_(most) {}
  /// Keeps the settled run after iteration `step`. Monitors' losses must have been told.
  void keep(int64_t step);
  /// Goes back, on every rank alike, and returns the step kept. Throws `fault` when that has been done as often as it may be.
  int64_t go_back(const gan::NotFinite& fault);
  int64_t count() const { return count_; }

 private:
  Session& session_;
  Monitor* monitor_;
  int64_t most_, count_ = 0, step_ = 0;
  State kept_;
};

}  // namespace ganymede::train
