// The main thread's side of the engine.
#include "comm/engine.hpp"

#include <algorithm>

namespace ganymede::comm {
namespace {

using namespace std::chrono_literals;

constexpr auto grace = 2s;  // for the communication thread to report a passed deadline itself, and to end

}  // namespace

std::shared_ptr<Engine> Engine::start(std::function<std::unique_ptr<Transport>()> connect, Deadline deadline, std::optional<Guard> guard) {
  const auto end_or_leak = [](Engine* engine) {
    // A thread that hangs inside the network library can be neither joined nor interrupted: it keeps its engine, and the process is
    // about to end anyway.
    if (engine->end()) delete engine;
  };
  std::shared_ptr<Engine> engine(new Engine(), end_or_leak);
  engine->thread_ = std::thread([self = engine.get(), connect = std::move(connect)] { self->run(connect); });
  std::unique_lock lock(engine->mutex_);
  const bool in_time = engine->to_main_.wait_until(lock, deadline.moment(), [&] { return engine->is_started_; });
  if (!in_time) {
    lock.unlock();
    throw Error(Fault::launch, "the ranks did not find each other within {:g} s", deadline.span_s())
        .cause("starting MPI did not return")
        .remedy("check that all hosts of the job can reach each other, and that all ranks were started by one launcher");
  }
  if (engine->start_failure_) {
    const auto failure = engine->start_failure_;
    lock.unlock();
    std::rethrow_exception(failure);
  }
  lock.unlock();
  engine->guard_ = std::move(guard);
  if (engine->guard_) engine->watchdog_ = std::make_unique<Watchdog>(engine->ring_, engine->guard_->tell, engine->guard_->end);
  return engine;
}

Engine::~Engine() {
  // After a failure what is left of the process may hang too, in a destructor or in the network library's own end: the watchdog stays.
  if (watchdog_ && guard_->until_the_end && ring_->has_failed()) static_cast<void>(watchdog_.release());
}

bool Engine::end() {
  if (!thread_.joinable()) return true;
  bool is_started = false;
  {
    std::lock_guard lock(mutex_);
    is_started = is_started_;
  }
  if (is_started && stop(Ending::abrupt, std::chrono::steady_clock::now() + grace)) {
    thread_.join();
    return true;
  }
  thread_.detach();
  return false;
}

bool Engine::stop(Ending ending, std::chrono::steady_clock::time_point until) {
  std::unique_lock lock(mutex_);
  if (ending_ == Ending::none) ending_ = ending;
  to_comm_.notify_all();
  return to_main_.wait_until(lock, until, [&] { return has_ended_; });
}

void Engine::submit(std::shared_ptr<Operation> operation) {
  std::lock_guard lock(mutex_);
  throw_failure_locked();
  if (has_ended_) throw Error(Fault::bug, "{} after communication has been shut down", operation->describe());
  const uint64_t number = ring_->add(*operation);
  submissions_.push_back({std::move(operation), number});
  to_comm_.notify_one();
}

void Engine::wait(Operation& operation) {
  const auto is_finished = [&] { return operation.is_finished.load(std::memory_order_acquire); };
  if (!is_finished()) {
    std::unique_lock lock(mutex_);
    ++waiters_;
    to_comm_.notify_one();
    const bool in_time = to_main_.wait_until(lock, operation.info().deadline.moment() + grace, is_finished);
    --waiters_;
    lock.unlock();
    if (!in_time) {
      const auto error = Error(Fault::peer, "{} passed its deadline of {:.3g} s", operation.describe(), operation.info().deadline.span_s())
                             .cause("the communication thread hangs inside the network library");
      ring_->fail(error.exit_code(), error.what(), false);
      throw error;
    }
  }
  if (!operation.failure) return;
  if (!operation.failed_by_peer) throw Error(*operation.failure);
  std::lock_guard lock(mutex_);
  report_locked();
  throw PeerError(*operation.failure);
}

void Engine::throw_failure_locked() {
  if (!failure_) return;
  if (!failed_by_peer_) throw Error(*failure_);
  report_locked();
  throw PeerError(*failure_);
}

void Engine::report_locked() {
  if (!guard_) return;
  // An own failure that is no hang is printed by main; should that not come about, the watchdog does it.
  const auto failure = ring_->failure();
  if (failure && !failure->is_peers && failure->code != static_cast<int>(Fault::peer)) return;
  if (const auto text = ring_->take_report(answers_locked()); !text.empty()) guard_->tell(text);
}

// Of those that are missing, if there are few; the others have their own reports.
std::vector<std::string> Engine::answers_locked() {
  constexpr size_t most = 8;
  std::vector<std::string> lines;
  if (!relay_text_) return lines;  // another rank's failure
  for (const int rank : missing_) {
    if (lines.size() == most) break;
    const bool has_answered = static_cast<size_t>(rank) < answers_.size() && !answers_[rank].empty();
    lines.push_back(has_answered ? answers_[rank] : fmt::format("rank {} does not answer: it is stopped or dead, or its network is cut", rank));
  }
  return lines;
}

bool Engine::is_running() {
  std::lock_guard lock(mutex_);
  return is_started_ && !has_ended_ && ending_ == Ending::none && !failure_ && !relay_text_;
}

void Engine::check_peers() {
  std::lock_guard lock(mutex_);
  throw_failure_locked();
}

void Engine::relay_failure(const Error& error, const std::string& host) noexcept {
  try {
    if (size_ == 1 || dynamic_cast<const PeerError*>(&error)) return;  // the others have told us
    ring_->fail(error.exit_code(), error.what(), false);
    std::unique_lock lock(mutex_);
    if (has_ended_) return;
    if (!relay_text_) {  // the communication thread tells of its own failures by itself
      relay_text_ = fmt::format("rank {} on {}: {}", rank_, host, error.what());
      relay_code_ = error.exit_code();
    }
    ++waiters_;
    to_comm_.notify_one();
    to_main_.wait_for(lock, 1s, [&] { return relay_is_told_ || has_ended_; });
    --waiters_;
    report_locked();
  } catch (...) {  // the caller is on its way out with a failure that matters more
  }
}

void Engine::shut_down(Deadline deadline) {
  if (!thread_.joinable()) return;
  if (!stop(Ending::orderly, deadline.moment())) {
    throw Error(Fault::peer, "ending communication passed its deadline of {:g} s", deadline.span_s()).cause("another rank did not end its own");
  }
  thread_.join();
  check_peers();
}

}  // namespace ganymede::comm
