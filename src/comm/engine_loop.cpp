// The communication thread's side of the engine.
#include <algorithm>

#include "comm/checks.hpp"
#include "comm/engine.hpp"

namespace ganymede::comm {
namespace {

using namespace std::chrono_literals;

constexpr auto nap = 200us;                 // 50 µs take 21 % of a fully used core, 200 µs 6 %
constexpr auto sleep_between_looks = 50ms;  // with nothing in flight: how late a relayed failure may be seen

}  // namespace

void Engine::run(const std::function<std::unique_ptr<Transport>()>& connect) {
  try {
    transport_ = connect();
    wire_ = std::make_unique<Wire>(*transport_);
    relay_ = std::make_unique<FailureRelay>(*transport_, [this] { return ring_->status(); });
    ring_->set_place(fmt::format("rank {} on {}", transport_->rank(), host_name()));
    std::lock_guard lock(mutex_);
    rank_ = transport_->rank();
    size_ = transport_->size();
    tag_count_ = transport_->tag_count();
    is_started_ = true;
    to_main_.notify_all();
  } catch (...) {
    std::lock_guard lock(mutex_);
    start_failure_ = std::current_exception();
    is_started_ = has_ended_ = true;
    to_main_.notify_all();
    return;
  }
  try {
    loop();
  } catch (const Error& error) {
    fail_all(error, false);
  } catch (const std::exception& error) {
    fail_all(Error(Fault::bug, "the communication thread failed: {}", error.what()), false);
  }
  std::lock_guard lock(mutex_);
  has_ended_ = true;
  to_main_.notify_all();
}

void Engine::loop() {
  while (true) {
    look_at_ring();
    bool moved = take_submissions();
    moved |= step_network();
    moved |= step_operations();
    tend_zombies();
    rest(moved);

    std::lock_guard lock(mutex_);
    const bool may_end = ending_ == Ending::abrupt || (ending_ == Ending::orderly && is_idle());
    if (may_end && submissions_.empty()) break;
  }
  if (ending_ == Ending::orderly && !transport_failed_) {
    relay_->close();
    transport_->finalize();
  } else {
    fail_all(Error(Fault::bug, "communication ended before the operation did"), false);
    tend_zombies();
  }
  // What the network may still write to must outlive this object.
  if (!zombies_.empty()) new std::vector<std::shared_ptr<Operation>>(std::move(zombies_));
}

bool Engine::step_network() {
  if (transport_failed_) return false;
  bool moved = false;
  try {
    std::optional<std::string> to_tell;
    {
      std::lock_guard lock(mutex_);
      if (!relay_->is_telling()) to_tell = relay_text_;
    }
    if (to_tell) relay_->tell(relay_code_, *to_tell);
    transport_->progress();
    moved = relay_->step();
  } catch (const Error& error) {
    transport_failed_ = true;
    ring_->fail(error.exit_code(), error.what(), false);
    fail_all(error, false);
  }
  if (const auto heard = relay_->take_heard()) {
    ring_->fail(heard->exit_code(), heard->what(), true);  // first: the main thread prints it as soon as it hears
    fail_all(*heard, true);
  }
  if (relay_->is_telling() && moved) {
    std::lock_guard lock(mutex_);
    answers_ = relay_->answers();
    relay_is_told_ = relay_->is_told();
    if (relay_is_told_) to_main_.notify_all();
  }
  return moved;
}

bool Engine::take_submissions() {
  std::deque<Submission> taken;
  std::optional<Error> failure;
  bool by_peer = false;
  {
    std::lock_guard lock(mutex_);
    taken.swap(submissions_);
    failure = failure_;
    by_peer = failed_by_peer_;
  }
  for (Submission& entry : taken) {
    if (failure) {
      finish(entry, failure, by_peer);
      continue;
    }
    ring_->begin(entry.number);
    try {
      entry.operation->start(*wire_);
    } catch (const Error& error) {
      finish(entry, error, false);
      end_job(error, {});
      failure = error;
      continue;
    }
    active_[static_cast<size_t>(entry.operation->info().channel)].push_back(std::move(entry));
  }
  return !taken.empty();
}

bool Engine::step_operations() {
  bool moved = false;
  bool higher_is_in_flight = false;
  for (int channel = 0; channel < channel_count; ++channel) {
    auto& operations = active_[channel];
    // Of large operations at most two send at a time: enough to hide the end of the first, and few pieces before a statistic.
    const bool is_bulk = channel >= static_cast<int>(Channel::gradients);
    int senders = 0;
    for (size_t i = 0; i < operations.size();) {
      const bool may_send = !is_bulk || (!higher_is_in_flight && senders < 2);
      const Submission entry = operations[i];
      const Step step = step_operation(entry, may_send);
      moved |= step != Step::still;
      if (step == Step::ended) {
        operations.erase(operations.begin() + static_cast<int64_t>(i));
      } else {
        if (!entry.operation->has_sent()) ++senders;
        ++i;
      }
    }
    higher_is_in_flight |= !operations.empty();
  }
  return moved;
}

Engine::Step Engine::step_operation(const Submission& entry, bool may_send) {
  Operation& operation = *entry.operation;
  try {
    const bool moved = operation.step(*wire_, may_send);
    if (operation.is_complete()) {
      operation.finish();
      finish(entry, std::nullopt, false);
      return Step::ended;
    }
    if (!operation.info().deadline.has_passed()) return moved ? Step::moved : Step::still;
    const Error error = operation.deadline_error();
    const auto missing = operation.missing_ranks();
    finish(entry, error, false);
    end_job(error, missing);
  } catch (const Error& error) {
    finish(entry, error, false);
    end_job(error, {});
  }
  return Step::ended;
}

void Engine::end_job(const Error& error, std::vector<int> missing) {
  ring_->fail(error.exit_code(), error.what(), false);
  std::lock_guard lock(mutex_);
  if (failure_) return;
  failure_ = error;  // the loop ends the other operations
  failed_by_peer_ = false;
  missing_ = std::move(missing);
  if (relay_text_) return;
  relay_text_ = fmt::format("{}: {}", ring_->place(), error.what());
  relay_code_ = error.exit_code();
}

// The watchdog may have found that the main thread does not come back.
void Engine::look_at_ring() {
  std::optional<Error> to_end_with;
  bool by_peer = false;
  if (ring_->has_failed()) {
    const auto found = ring_->failure();
    std::lock_guard lock(mutex_);
    if (relay_text_ || failure_ || found->is_peers) {
      to_end_with = failure_;
      by_peer = failed_by_peer_;
    } else {
      to_end_with = Error(static_cast<Fault>(found->code), "{}", found->text);
      relay_text_ = fmt::format("{}: {}", ring_->place(), found->text);
      relay_code_ = found->code;
    }
  }
  if (to_end_with && !is_idle()) fail_all(*to_end_with, by_peer);
}

void Engine::finish(const Submission& entry, std::optional<Error> error, bool by_peer) {
  Operation& operation = *entry.operation;
  ring_->end(entry.number, error.has_value(), error ? operation.missing() : std::string());
  if (error) {
    operation.abandon(*wire_);
    zombies_.push_back(entry.operation);
  } else {
    operation.release_memory();
  }
  std::lock_guard lock(mutex_);
  operation.failure = std::move(error);
  operation.failed_by_peer = by_peer;
  operation.is_finished.store(true, std::memory_order_release);
  to_main_.notify_all();
}

void Engine::fail_all(const Error& error, bool by_peer) {
  {
    std::lock_guard lock(mutex_);
    if (!failure_) {
      failure_ = error;
      failed_by_peer_ = by_peer;
    }
  }
  for (auto& operations : active_) {
    for (const Submission& entry : operations) finish(entry, error, by_peer);
    operations.clear();
  }
  take_submissions();
}

void Engine::tend_zombies() {
  if (transport_failed_) return;
  std::erase_if(zombies_, [&](const std::shared_ptr<Operation>& operation) {
    if (!operation->is_quiet(*wire_)) return false;
    operation->release_memory();
    return true;
  });
}

bool Engine::is_idle() const {
  return std::all_of(active_.begin(), active_.end(), [](const auto& operations) { return operations.empty(); });
}

void Engine::rest(bool moved) {
  if (moved) return;
  std::unique_lock lock(mutex_);
  if (!submissions_.empty() || ending_ == Ending::abrupt) return;
  if (waiters_ > 0) {
    lock.unlock();
    std::this_thread::yield();
  } else {
    // Also ends at once when the main thread submits or begins to wait.
    to_comm_.wait_for(lock, is_idle() && zombies_.empty() ? std::chrono::microseconds(sleep_between_looks) : nap);
  }
}

}  // namespace ganymede::comm
