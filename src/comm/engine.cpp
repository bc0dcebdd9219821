// The main thread's side of the engine.
#include "comm/engine.hpp"

#include <algorithm>

namespace ganymede::comm {
namespace {

using namespace std::chrono_literals;

constexpr auto grace = 5s;  // for the communication thread to report a passed deadline itself

}  // namespace

std::shared_ptr<Engine> Engine::start(std::function<std::unique_ptr<Transport>()> connect, Deadline deadline) {
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
  return engine;
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
  const OperationInfo& info = operation->info();
  uint64_t number = 0;
  {
    std::lock_guard ring_lock(ring_mutex_);
    number = submitted_count_++;
    ring_[number % recent_operations] = {number, info.kind, info.name, info.channel, info.bytes, OperationRecord::State::submitted, std::chrono::steady_clock::now(), {}};
  }
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
    if (!in_time) {
      throw Error(Fault::peer, "{} passed its deadline of {:g} s", operation.describe(), operation.info().deadline.span_s())
          .cause("the communication thread hangs inside the network library");
    }
  }
  if (!operation.failure) return;
  if (operation.failed_by_peer) throw PeerError(*operation.failure);
  throw Error(*operation.failure);
}

void Engine::throw_failure_locked() {
  if (!failure_) return;
  if (failed_by_peer_) throw PeerError(*failure_);
  throw Error(*failure_);
}

void Engine::check_peers() {
  std::lock_guard lock(mutex_);
  throw_failure_locked();
}

void Engine::relay_failure(const Error& error, const std::string& host) noexcept {
  try {
    if (size_ == 1 || dynamic_cast<const PeerError*>(&error)) return;  // the others have told us
    std::unique_lock lock(mutex_);
    if (relay_text_ || has_ended_) return;
    relay_text_ = fmt::format("rank {} on {}: {}", rank_, host, error.what());
    relay_code_ = error.exit_code();
    ++waiters_;
    to_comm_.notify_one();
    to_main_.wait_for(lock, 1s, [&] { return relay_is_told_; });
    --waiters_;
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

std::vector<OperationRecord> Engine::recent() {
  std::lock_guard lock(ring_mutex_);
  std::vector<OperationRecord> records;
  for (uint64_t number = submitted_count_ - std::min<uint64_t>(submitted_count_, recent_operations); number < submitted_count_; ++number)
    records.push_back(ring_[number % recent_operations]);
  return records;
}

}  // namespace ganymede::comm
