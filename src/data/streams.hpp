// The order in which samples are drawn: V endless streams over one data set of n samples, each epoch holding every
// sample exactly once. A pure function of (chunk sizes, V, W, seed), so every rank knows it and resuming is a position.
// The letter of it is "Streams" of the formats document: blocks (chunks, or equal parts of them where chunks are few) are permuted by
// epoch, laid end to end, cut into V ranges; a stream shuffles its range W pieces at a time.
#pragma once
#include <cstdint>
#include <list>
#include <optional>
#include <vector>

#include "core/rng.hpp"
#include "data/batch_plan.hpp"

namespace ganymede::data {

/// Consecutive samples of the data set: a block, or the part of one that lies in a stream's range.
struct Piece {
  int64_t first = 0, count = 0;
  bool operator==(const Piece&) const = default;
};

/// What a stream shuffles together: W pieces, in memory at a time.
struct Window {
  int64_t epoch = 0, number = 0;       // windows count from 0 in each epoch
  int64_t first_position = 0;          // in the stream
  std::vector<Piece> pieces;
  std::vector<int64_t> offsets;        // position − first_position → place among the pieces' samples laid end to end
  std::vector<int64_t> samples;        // position − first_position → sample of the data set
  int64_t size() const { return static_cast<int64_t>(offsets.size()); }
  int64_t end_position() const { return first_position + size(); }
};

class StreamOrder {
 public:
  /// chunks: samples of each chunk in order of the data set; all at least 1.
  StreamOrder(const std::vector<int64_t>& chunks, int64_t streams, int64_t window_pieces, uint64_t seed);

  int64_t samples() const { return samples_; }
  int64_t streams() const { return streams_; }
  const std::vector<Piece>& blocks() const { return blocks_; }

  /// The window that holds `position` of `stream`. One per stream is kept, so walking forward costs one shuffle a window.
  /// The reference holds until the next call for this stream.
  const Window& window_at(int64_t stream, int64_t position);
  int64_t sample_at(int64_t stream, int64_t position);
  /// The samples of one rank's slice of the step that begins at `drawn`, in batch order.
  std::vector<int64_t> batch(const BatchPlan& plan, int64_t drawn);

 private:
  struct Epoch {
    int64_t number = -1;
    std::vector<int64_t> order;   // blocks in this epoch's order
    std::vector<int64_t> starts;  // where each begins among all samples laid end to end; one more for the end
    std::vector<int64_t> ranges;  // where each stream's range begins; one more for the end
  };
  const Epoch& epoch(int64_t number);
  int64_t epoch_start(int64_t stream, int64_t epoch) const { return (epoch * samples_ + stream) / streams_; }
  Window make_window(int64_t stream, int64_t position);

  int64_t streams_, window_pieces_, samples_ = 0;
  Rng rng_;
  std::vector<Piece> blocks_;
  std::list<Epoch> epochs_;  // at most two: the streams of one batch may stand on both sides of a change
  std::vector<std::optional<Window>> windows_;
};

}  // namespace ganymede::data
