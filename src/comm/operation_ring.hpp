// What a hang is explained with: the last operations of this rank, how it stands, and its first failure.
//
// Shared by the main thread, the communication thread and the watchdog. The lock is held for a few copies in memory, never over
// anything that can wait.
#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "comm/learned_deadlines.hpp"
#include "comm/operation.hpp"

namespace ganymede::comm {

/// One line of the ring.
struct OperationRecord {
  enum class State { submitted, in_flight, done, failed };
  uint64_t number = 0;  // counts all operations of this rank
  OperationKind kind = OperationKind::barrier;
  std::string name;
  Channel channel = Channel::control;
  Section section = Section::set_up;
  int64_t bytes = 0;
  int16_t type = -1;
  State state = State::submitted;
  std::chrono::steady_clock::time_point submitted_at, ended_at, deadline_at;
  double deadline_s = 0;
  std::string missing;  // of a failed one: whose data had not come

  bool has_ended() const { return state == State::done || state == State::failed; }
  /// "#812 all_reduce 'discriminator bucket 2' (4.0 MiB of Float)".
  std::string call() const;
  /// call(), then its state: "in flight for 31.2 s; rank 3 on node4 never arrived".
  std::string line(std::chrono::steady_clock::time_point now) const;
};

class OperationRing {
 public:
  static constexpr int capacity = 256;
  using Clock = std::chrono::steady_clock;

  struct Failure {
    int code = 0;
    std::string text;
    bool is_peers = false;  // another rank told us of it
    Clock::time_point at;
  };

  // ---- main thread ----
  void set_floor(double floor_s, double longest_s);
  void enter(Section section);
  /// Gives the operation its learned deadline and its number.
  uint64_t add(Operation& operation);

  // ---- communication thread ----
  void set_place(std::string place);  // "rank 1 on node2"
  void begin(uint64_t number);
  void end(uint64_t number, bool has_failed, std::string missing);

  // ---- any thread ----
  /// The first failure counts.
  void fail(int code, const std::string& text, bool is_peers);
  std::optional<Failure> failure();
  std::vector<OperationRecord> recent();  // oldest first
  std::string place();
  /// What this rank is at, in one line, for another rank's report.
  std::string status();
  /// What a person needs after a hang: whose failure it is, the last operations, who is missing. Empty if it has been taken before.
  std::string take_report(const std::vector<std::string>& of_others = {});

  // ---- watchdog; without waiting: nothing if the lock is taken ----
  /// The first unfinished operation that passed its deadline before `moment`.
  std::optional<OperationRecord> overdue(Clock::time_point moment);
  /// Since when nothing has been called or is under way, while deadlines are learned; nothing if that is not longer than the longest wait.
  std::optional<OperationRecord> last_before_silence(Clock::time_point now);
  bool has_failed() const { return has_failed_.load(std::memory_order_acquire); }
  bool try_failure(Failure& failure);

 private:
  std::string report_locked(const std::vector<std::string>& of_others, Clock::time_point now);
  std::vector<OperationRecord> recent_locked() const;

  std::mutex mutex_;  // guards all below
  std::array<OperationRecord, capacity> ring_;
  uint64_t count_ = 0;
  Clock::time_point last_activity_ = Clock::now();
  double longest_s_ = 0;  // wait of the main thread without any operation; 0: not watched
  LearnedDeadlines deadlines_;
  std::string place_ = "this rank";
  std::optional<Failure> failure_;
  bool is_reported_ = false;

  std::atomic<bool> has_failed_{false};
};

}  // namespace ganymede::comm
