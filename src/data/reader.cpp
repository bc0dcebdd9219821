#include "data/reader.hpp"

#include <algorithm>
#include <chrono>

#include "core/error.hpp"

namespace ganymede::data {

Reader::Reader(Dataset& dataset, const BatchPlan& plan, const DataConfig& config, uint64_t seed)
    : dataset_(dataset), plan_(plan), prefetch_(std::max<int64_t>(1, config.prefetch)),
      source_(make_source({dataset, plan, config, seed})) {
  queues_[0].is_wanted = true;
}

Reader::~Reader() { stop(); }

Batch Reader::take(Phase phase, Deadline deadline) {
  read_ahead();
  Queue& queue = queues_[queue_of(phase)];
  const auto begin = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  if (!queue.is_wanted) {
    queue.is_wanted = true;
    changed_.notify_all();
  }
  const bool is_there = changed_.wait_until(lock, deadline.moment(), [&] { return !queue.ready.empty() || failure_; });
  wait_ms_ += std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  if (!is_there)
    throw Error(Fault::io, "reading a batch of {} passed its deadline of {:.0f} s", dataset_.folder().string(), deadline.span_s())
        .cause("the storage answers slowly or not at all")
        .remedy("check the disk or network file system that holds it");
  if (queue.ready.empty()) std::rethrow_exception(failure_);
  Batch batch = std::move(queue.ready.front());
  queue.ready.pop_front();
  lock.unlock();
  changed_.notify_all();
  ++taken_[static_cast<size_t>(phase)];
  return batch;
}

void Reader::skip_to(int64_t d_batches, int64_t g_batches) {
  if (d_batches < 0 || g_batches < 0) throw Error(Fault::bug, "skip to {} and {} drawn batches", d_batches, g_batches);
  stop();
  taken_ = {d_batches, g_batches};
}

double Reader::take_wait_ms() { return std::exchange(wait_ms_, 0.0); }

void Reader::read_ahead() {
  if (thread_.joinable()) return;
  is_stopping_ = false;
  failure_ = nullptr;
  for (Queue& queue : queues_) {
    queue.ready.clear();
    queue.made = 0;
  }
  for (const Phase phase : {Phase::discriminator, Phase::generator}) queues_[queue_of(phase)].made += taken_[static_cast<size_t>(phase)];
  thread_ = std::thread([this] { produce_batches(); });
}

void Reader::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard guard(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

// The wanted queue with the fewest batches, if it has room. Under mutex_.
Reader::Queue* Reader::next_to_fill() {
  Queue* found = nullptr;
  for (Queue& queue : queues_)
    if (const auto ready = static_cast<int64_t>(queue.ready.size()); queue.is_wanted && ready < prefetch_)
      if (!found || queue.ready.size() < found->ready.size()) found = &queue;
  return found;
}

void Reader::produce_batches() {
  try {
    for (;;) {
      Queue* queue = nullptr;
      int64_t number = 0;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return is_stopping_ || (queue = next_to_fill()); });
        if (is_stopping_) return;
        number = queue->made++;
      }
      Batch batch = make_batch(queue == &queues_[0] ? Phase::discriminator : Phase::generator, number);
      {
        const std::lock_guard guard(mutex_);
        queue->ready.push_back(std::move(batch));
      }
      changed_.notify_all();
    }
  } catch (...) {
    const std::lock_guard guard(mutex_);
    failure_ = std::current_exception();
    changed_.notify_all();
  }
}

Batch Reader::make_batch(Phase phase, int64_t number) {
  const int64_t drawn = number * plan_.global_batch;
  const auto starts = plan_.starts(drawn);
  const int64_t first = starts[static_cast<size_t>(plan_.rank)], end = starts[static_cast<size_t>(plan_.rank + 1)];
  Batch batch = empty_batch(dataset_.manifest(), end - first);
  batch.first_place = first;
  batch.global_batch = plan_.global_batch;
  batch.drawn = drawn;
  source_->fill(phase, number, batch);
  return batch;
}

}  // namespace ganymede::data
