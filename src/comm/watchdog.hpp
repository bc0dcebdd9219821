// A thread that ends the process when nothing else can: the communication thread hangs inside the network library, or the main thread
// does not come back after a failure (a file system that answers nobody), or it has called nothing for longer than any wait.
//
// It reads the ring and the clock, and writes to standard error without the log's lock; the ring's is held over nothing that can wait.
#pragma once
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "comm/operation_ring.hpp"

namespace ganymede::comm {

class Watchdog {
 public:
  /// Called once, at the end: what to write, and the code to leave with.
  using End = std::function<void(const std::string& report, int code)>;
  /// Called when a failure has stood for a second and the main thread has not reported it.
  using Tell = std::function<void(const std::string& report)>;

  Watchdog(std::shared_ptr<OperationRing> ring, Tell tell, End end);
  ~Watchdog();  // stops it
  Watchdog(const Watchdog&) = delete;

 private:
  void run();
  /// True when it has ended the process (or, in a test, has said so).
  bool look();
  void end(const std::string& what, int code);

  std::shared_ptr<OperationRing> ring_;
  Tell tell_;
  End end_;
  std::mutex mutex_;  // guards is_over_; only the destructor takes it besides
  std::condition_variable woken_;
  bool is_over_ = false;
  std::thread thread_;
};

/// One write to standard error, past the log, whose file may be on a file system that hangs.
void write_to_standard_error(const std::string& text);

}  // namespace ganymede::comm
