#include "comm/watchdog.hpp"

#include <unistd.h>

#include <cerrno>

namespace ganymede::comm {
namespace {

using namespace std::chrono_literals;

constexpr auto tick = 200ms;          // five looks a second cost nothing that can be measured
constexpr auto until_told = 1500ms;   // after a failure: for the main thread to report it, answers of other ranks included
constexpr auto until_ended = 3s;      // after a failure: for the main thread to leave
constexpr auto beyond_deadline = 2s;  // for the communication thread to see a passed deadline itself

}  // namespace

Watchdog::Watchdog(std::shared_ptr<OperationRing> ring, Tell tell, End end)
    : ring_(std::move(ring)), tell_(std::move(tell)), end_(std::move(end)), thread_([this] { run(); }) {}

Watchdog::~Watchdog() {
  {
    std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  woken_.notify_all();
  thread_.join();
}

void Watchdog::run() {
  std::unique_lock lock(mutex_);
  while (!woken_.wait_for(lock, tick, [&] { return is_over_; })) {
    lock.unlock();
    if (look()) return;
    lock.lock();
  }
}

bool Watchdog::look() {
  const auto now = OperationRing::Clock::now();
  OperationRing::Failure failure;
  if (ring_->try_failure(failure)) {
    const auto age = now - failure.at;
    if (age > until_told) {
      if (const auto report = ring_->take_report(); !report.empty()) tell_(report);
    }
    if (age <= until_ended) return false;
    end("does not come back from what it does, so its process is ended", failure.code);
    return true;
  }
  if (ring_->has_failed()) return false;  // the lock was taken: next time
  if (const auto late = ring_->overdue(now - beyond_deadline)) {
    ring_->fail(static_cast<int>(Fault::peer),
                fmt::format("{} passed its deadline of {:g} s\n  cause: the communication thread hangs inside the network library", late->call(),
                            late->deadline_s),
                false);
    end("hangs inside the network library, so its process is ended", static_cast<int>(Fault::peer));
    return true;
  }
  if (const auto last = ring_->last_before_silence(now)) {
    ring_->fail(static_cast<int>(Fault::peer),
                fmt::format("the main thread has called no other rank for longer than any wait may take\n  cause: a file system that does not "
                            "answer, or a step longer than parallel.deadline_s; the last call was {}",
                            last->line(now)),
                false);
    return false;  // the communication thread may still tell the others
  }
  return false;
}

void Watchdog::end(const std::string& what, int code) {
  auto report = ring_->take_report();
  report += fmt::format("{} {} (exit code {})\n", ring_->place(), what, code);
  end_(report, code);
}

void write_to_standard_error(const std::string& text) {
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t now = write(STDERR_FILENO, text.data() + written, text.size() - written);
    if (now < 0 && errno == EINTR) continue;
    if (now <= 0) return;
    written += static_cast<size_t>(now);
  }
}

}  // namespace ganymede::comm
