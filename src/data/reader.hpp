// Hands out this rank's real samples, step after step, in the order of the streams. One thread of its own reads and gathers
// `prefetch` batches ahead; what fails there is thrown by next().
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "core/deadline.hpp"
#include "data/batch.hpp"
#include "data/batch_plan.hpp"
#include "data/data_config.hpp"
#include "data/dataset.hpp"
#include "data/sample_store.hpp"
#include "data/streams.hpp"

namespace ganymede::data {

/// Used by one thread (the training one).
class Reader {
 public:
  /// `dataset` outlives the reader. Nothing is read before read_ahead() or next().
  Reader(Dataset& dataset, const BatchPlan& plan, const DataConfig& config, uint64_t seed);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// Starts reading, as the first next() would.
  void read_ahead();
  /// The next step's batch. Throws what reading threw (bad_data, io), or io when the deadline passes first.
  Batch next(Deadline deadline);
  /// The next batch begins after `drawn_samples` of the whole job: how a resumed run finds its place.
  void skip_to(int64_t drawn_samples);

  /// Samples of the whole job in the batches handed out so far (and before skip_to).
  int64_t drawn_samples() const { return drawn_; }
  /// Whole passes over the data set made by them, and the same with its fraction.
  int64_t epoch() const { return drawn_ / dataset_.samples(); }
  double epochs() const { return static_cast<double>(drawn_) / static_cast<double>(dataset_.samples()); }
  /// How long next() has waited since the last call of this.
  double take_wait_ms();

 private:
  void stop();
  void produce_batches(int64_t drawn);
  Batch make_batch(int64_t drawn);

  Dataset& dataset_;
  const BatchPlan plan_;
  const int64_t prefetch_;
  int64_t drawn_ = 0;
  double wait_ms_ = 0;

  StreamOrder order_;                   // the reader's own thread, while it runs
  std::unique_ptr<SampleStore> store_;  // likewise

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> ready_;        // guarded by mutex_
  std::exception_ptr failure_;     // guarded by mutex_; met after the batches that are ready
  bool is_stopping_ = false;       // guarded by mutex_
  std::thread thread_;
};

}  // namespace ganymede::data
