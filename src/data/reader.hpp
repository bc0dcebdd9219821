// Hands out this rank's real samples, batch after batch, from the source that the recipe asks for. One thread of its own fills
// `prefetch` batches ahead; what fails there is thrown by next().
#pragma once
#include <array>
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
#include "data/sample_source.hpp"

namespace ganymede::data {

/// Used by one thread (the training one).
class Reader {
 public:
  /// `dataset` outlives the reader. No sample is read before read_ahead() or next(). Throws Error(Fault::recipe) where the data
  /// set does not allow the sampling that the recipe asks for.
  Reader(Dataset& dataset, const BatchPlan& plan, const DataConfig& config, uint64_t seed);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// Starts reading, as the first next() would.
  void read_ahead();
  /// The next D step's batch. Throws what reading threw (bad_data, io), or io when the deadline passes first.
  Batch next(Deadline deadline) { return take(Phase::discriminator, deadline); }
  /// Fresh reals for the G phase. In stream and table mode the next batch of the same sequence, so every rank must call the two
  /// in one order; else a sequence of their own, which is read ahead from the first call on.
  Batch next_for_generator(Deadline deadline) { return take(Phase::generator, deadline); }
  /// The next batches come after so many of each phase: how a resumed run finds its place.
  void skip_to(int64_t d_batches, int64_t g_batches);

  /// Batches handed out so far (and before skip_to).
  int64_t batches(Phase phase) const { return taken_[static_cast<size_t>(phase)]; }
  /// Samples of the whole job in them, both phases together.
  int64_t drawn_samples() const { return (taken_[0] + taken_[1]) * plan_.global_batch; }
  /// Passes over the data set that as many samples make, whole ones, and with the fraction.
  int64_t epoch() const { return drawn_samples() / dataset_.samples(); }
  double epochs() const { return static_cast<double>(drawn_samples()) / static_cast<double>(dataset_.samples()); }
  /// How long next() has waited since the last call of this.
  double take_wait_ms();

 private:
  // A sequence of batches; the second is unused where the source has one only.
  struct Queue {
    std::deque<Batch> ready;
    int64_t made = 0;        // number of the batch that is filled next
    bool is_wanted = false;  // somebody takes from it
  };
  size_t queue_of(Phase phase) const { return source_->is_one_sequence() ? 0 : static_cast<size_t>(phase); }
  Batch take(Phase phase, Deadline deadline);
  void stop();
  void produce_batches();
  Queue* next_to_fill();
  Batch make_batch(Phase phase, int64_t number);

  Dataset& dataset_;
  const BatchPlan plan_;
  const int64_t prefetch_;
  std::array<int64_t, 2> taken_{};  // of each phase
  double wait_ms_ = 0;

  std::unique_ptr<SampleSource> source_;  // fill() on the reader's own thread, while it runs

  std::mutex mutex_;
  std::condition_variable changed_;
  std::array<Queue, 2> queues_;    // guarded by mutex_
  std::exception_ptr failure_;     // guarded by mutex_; met after the batches that are ready
  bool is_stopping_ = false;       // guarded by mutex_
  std::thread thread_;
};

}  // namespace ganymede::data
