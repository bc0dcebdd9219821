#include "data/reader.hpp"

#include <ATen/ops/empty.h>

#include <chrono>
#include <cstring>

#include "core/error.hpp"

namespace ganymede::data {

Reader::Reader(Dataset& dataset, const BatchPlan& plan, const DataConfig& config, uint64_t seed)
    : dataset_(dataset), plan_(plan), prefetch_(std::max<int64_t>(1, config.prefetch)), order_(dataset.chunks(), plan.streams, config.window, seed),
      store_(make_store(dataset, config.cache_mib)) {}

Reader::~Reader() { stop(); }

Batch Reader::next(Deadline deadline) {
  read_ahead();
  const auto begin = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  const bool is_there = changed_.wait_until(lock, deadline.moment(), [this] { return !ready_.empty() || failure_; });
  wait_ms_ += std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  if (!is_there)
    throw Error(Fault::io, "reading a batch of {} passed its deadline of {:.0f} s", dataset_.folder().string(), deadline.span_s())
        .cause("the storage answers slowly or not at all")
        .remedy("check the disk or network file system that holds it");
  if (ready_.empty()) std::rethrow_exception(failure_);
  Batch batch = std::move(ready_.front());
  ready_.pop_front();
  lock.unlock();
  changed_.notify_all();
  drawn_ += plan_.global_batch;
  return batch;
}

void Reader::skip_to(int64_t drawn_samples) {
  if (drawn_samples < 0) throw Error(Fault::bug, "skip to {} drawn samples", drawn_samples);
  stop();
  drawn_ = drawn_samples;
}

double Reader::take_wait_ms() { return std::exchange(wait_ms_, 0.0); }

void Reader::read_ahead() {
  if (thread_.joinable()) return;
  is_stopping_ = false;
  failure_ = nullptr;
  ready_.clear();
  thread_ = std::thread([this, drawn = drawn_] { produce_batches(drawn); });
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

void Reader::produce_batches(int64_t drawn) {
  try {
    for (;; drawn += plan_.global_batch) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return is_stopping_ || static_cast<int64_t>(ready_.size()) < prefetch_; });
        if (is_stopping_) return;
      }
      Batch batch = make_batch(drawn);
      {
        const std::lock_guard guard(mutex_);
        ready_.push_back(std::move(batch));
      }
      changed_.notify_all();
    }
  } catch (...) {
    const std::lock_guard guard(mutex_);
    failure_ = std::current_exception();
    changed_.notify_all();
  }
}

Batch Reader::make_batch(int64_t drawn) {
  const auto& manifest = dataset_.manifest();
  const int64_t count = plan_.rank_count(plan_.rank, drawn), sample_bytes = dataset_.sample_bytes(), label_bytes = dataset_.label_bytes();
  std::vector<int64_t> sizes{count};
  sizes.insert(sizes.end(), manifest.shape.begin(), manifest.shape.end());
  Batch batch{.samples = at::empty(sizes, at::TensorOptions().dtype(manifest.is_points() ? at::kFloat : at::kByte)),
              .labels = {},
              .real_index = at::empty({count}, at::TensorOptions().dtype(at::kLong)),
              .first_place = plan_.rank_first_place(plan_.rank, drawn),
              .global_batch = plan_.global_batch};
  if (manifest.classes) batch.labels = at::empty({count}, at::TensorOptions().dtype(at::kInt));
  else if (label_bytes > 0) batch.labels = at::empty({count, label_bytes}, at::TensorOptions().dtype(at::kByte));

  auto* sample = static_cast<uint8_t*>(batch.samples.mutable_data_ptr());
  auto* label = label_bytes > 0 ? static_cast<uint8_t*>(batch.labels.mutable_data_ptr()) : nullptr;
  auto* index = batch.real_index.mutable_data_ptr<int64_t>();
  for (int64_t v = plan_.first_stream(); v < plan_.end_stream(); ++v) {
    const int64_t end = plan_.given(v, drawn + plan_.global_batch);
    for (int64_t position = plan_.given(v, drawn); position < end;) {
      const Window& window = order_.window_at(v, position);
      store_->load(v, window);
      for (; position < std::min(end, window.end_position()); ++position) {
        const int64_t i = position - window.first_position;
        std::memcpy(sample, store_->sample(v, window, i), static_cast<size_t>(sample_bytes));
        sample += sample_bytes;
        if (label) std::memcpy(label, store_->label(v, window, i), static_cast<size_t>(label_bytes));
        if (label) label += label_bytes;
        *index++ = window.samples[i];
      }
    }
  }
  return batch;
}

}  // namespace ganymede::data
