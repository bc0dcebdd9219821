// The communication thread: it alone touches the transport, steps all operations in order of priority, watches deadlines and
// hears of other ranks' failures.
//
// While nothing is in flight it sleeps; while the main thread computes it naps between polls; while the main thread waits it
// polls and yields. A lower channel starts no new piece while an operation of a higher one is in flight; that cannot deadlock,
// because all ranks submit the same operations in the same order of their program.
#pragma once
#include <array>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "comm/operation.hpp"
#include "comm/operation_ring.hpp"
#include "comm/relay.hpp"
#include "comm/transport.hpp"
#include "comm/watchdog.hpp"

namespace ganymede::comm {

class Engine {
 public:
  /// What becomes of the process after a hang; nothing where several ranks share one.
  struct Guard {
    Watchdog::Tell tell;
    Watchdog::End end;
    bool until_the_end = false;  // after a failure watches over the rest of the process too
  };

  /// Starts the communication thread, which makes its own transport, and with a guard the watchdog. Throws what `connect` throws, and
  /// Error(Fault::launch) if the deadline passes first.
  static std::shared_ptr<Engine> start(std::function<std::unique_ptr<Transport>()> connect, Deadline deadline, std::optional<Guard> guard = {});
  ~Engine();
  Engine(const Engine&) = delete;

  // ---- main thread ----
  int rank() const { return rank_; }
  int size() const { return size_; }
  int64_t tag_count() const { return tag_count_; }
  void submit(std::shared_ptr<Operation> operation);
  /// Returns when it is finished; throws its Error.
  void wait(Operation& operation);
  /// See Communicator.
  void relay_failure(const Error& error, const std::string& host) noexcept;
  void check_peers();
  Traffic traffic() const { return wire_->traffic(); }
  void enter(Section section) { ring_->enter(section); }
  void learn_deadlines(double floor_s, double longest_s) { ring_->set_floor(floor_s, longest_s); }
  /// Lets the transport end in an orderly way and ends the thread. Throws Error(Fault::peer) if the deadline passes first.
  void shut_down(Deadline deadline);
  /// Number of the next communicator that is split off; see EngineCommunicator::split.
  int next_context = 1;

  // ---- any thread ----
  /// The last operations, oldest first.
  std::vector<OperationRecord> recent() { return ring_->recent(); }
  /// Neither shut down nor failed.
  bool is_running();

 private:
  enum class Ending { none, abrupt, orderly };
  struct Submission {
    std::shared_ptr<Operation> operation;
    uint64_t number;
  };
  enum class Step { still, moved, ended };

  Engine() = default;
  void run(const std::function<std::unique_ptr<Transport>()>& connect);
  void loop();
  bool take_submissions();
  bool step_network();
  bool step_operations();
  Step step_operation(const Submission& entry, bool may_send);
  void finish(const Submission& entry, std::optional<Error> error, bool by_peer);
  void fail_all(const Error& error, bool by_peer);
  /// Ends all operations and tells all ranks why: a hang or a mismatch ends the job, whatever the main thread is at.
  void end_job(const Error& error, std::vector<int> missing);
  void look_at_ring();
  std::vector<std::string> answers_locked();
  /// Writes the report of the failure unless that has been done.
  void report_locked();
  void tend_zombies();
  bool is_idle() const;
  void rest(bool moved);
  bool stop(Ending ending, std::chrono::steady_clock::time_point until);
  /// Ends and joins the thread; false if it hangs.
  bool end();
  void throw_failure_locked();

  // Constant once started.
  int rank_ = 0, size_ = 1;
  int64_t tag_count_ = 0;

  // Communication thread.
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<Wire> wire_;
  std::unique_ptr<FailureRelay> relay_;
  std::array<std::deque<Submission>, channel_count> active_;
  std::vector<std::shared_ptr<Operation>> zombies_;  // failed, but the network may still touch their memory
  bool transport_failed_ = false;

  // Under mutex_.
  std::mutex mutex_;
  std::condition_variable to_comm_, to_main_;
  std::deque<Submission> submissions_;
  int waiters_ = 0;
  Ending ending_ = Ending::none;
  bool is_started_ = false, has_ended_ = false;
  std::exception_ptr start_failure_;
  std::optional<Error> failure_;  // ends all operations, current and later
  bool failed_by_peer_ = false;
  std::optional<std::string> relay_text_;  // ours, to be told to the others; never changes once set
  int relay_code_ = 0;                     // set before it
  bool relay_is_told_ = false;
  std::vector<int> missing_;           // ranks that the failure is about
  std::vector<std::string> answers_;   // by rank: what it said when told; empty: nothing

  std::shared_ptr<OperationRing> ring_ = std::make_shared<OperationRing>();
  std::optional<Guard> guard_;
  std::unique_ptr<Watchdog> watchdog_;
  std::thread thread_;
};

/// A Work on the engine.
class EngineWork final : public Work::Pending {
 public:
  EngineWork(std::shared_ptr<Engine> engine, std::shared_ptr<Operation> operation) : engine_(std::move(engine)), operation_(std::move(operation)) {}
  bool is_done() override { return operation_->is_finished.load(std::memory_order_acquire); }
  void wait() override { engine_->wait(*operation_); }

 private:
  std::shared_ptr<Engine> engine_;
  std::shared_ptr<Operation> operation_;
};

}  // namespace ganymede::comm
