#include "data/streams.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace ganymede::data {
namespace {

std::vector<Piece> make_blocks(const std::vector<int64_t>& chunks, int64_t streams) {
  const auto count = static_cast<int64_t>(chunks.size());
  const int64_t parts = count < 4 * streams ? (4 * streams + count - 1) / count : 1;
  std::vector<Piece> blocks;
  int64_t first = 0;
  for (const int64_t chunk : chunks) {
    for (int64_t j = 0; j < parts; ++j) {
      const int64_t begin = chunk * j / parts, end = chunk * (j + 1) / parts;
      if (end > begin) blocks.push_back({first + begin, end - begin});
    }
    first += chunk;
  }
  return blocks;
}

// The last entry of the ascending `starts` that is not above `value`.
int64_t index_at(const std::vector<int64_t>& starts, int64_t value) {
  return std::upper_bound(starts.begin(), starts.end(), value) - starts.begin() - 1;
}

}  // namespace

StreamOrder::StreamOrder(const std::vector<int64_t>& chunks, int64_t streams, int64_t window_pieces, uint64_t seed)
    : streams_(streams), window_pieces_(window_pieces), rng_(seed), windows_(static_cast<size_t>(std::max<int64_t>(streams, 0))) {
  for (const int64_t chunk : chunks) {
    if (chunk < 1) throw Error(Fault::bug, "a chunk of {} samples", chunk);
    samples_ += chunk;
  }
  if (streams < 1 || window_pieces < 1 || samples_ < streams)
    throw Error(Fault::bug, "{} samples in {} streams with windows of {} pieces", samples_, streams, window_pieces);
  blocks_ = make_blocks(chunks, streams);
}

const StreamOrder::Epoch& StreamOrder::epoch(int64_t number) {
  const auto known = std::find_if(epochs_.begin(), epochs_.end(), [&](const Epoch& epoch) { return epoch.number == number; });
  if (known != epochs_.end()) return *known;
  if (number >> 32) throw Error(Fault::bug, "epoch {} is no 32-bit number", number);
  if (epochs_.size() == 2) epochs_.pop_front();
  Epoch& epoch = epochs_.emplace_back();
  epoch.number = number;
  epoch.order = rng_.permutation(static_cast<int64_t>(blocks_.size()), static_cast<uint32_t>(number), 0, Rng::last_word({Purpose::shuffle}));
  epoch.starts.reserve(blocks_.size() + 1);
  epoch.starts.push_back(0);
  for (const int64_t block : epoch.order) epoch.starts.push_back(epoch.starts.back() + blocks_[block].count);
  epoch.ranges.push_back(0);
  for (int64_t v = 0; v < streams_; ++v) epoch.ranges.push_back(epoch.ranges.back() + epoch_start(v, number + 1) - epoch_start(v, number));
  return epoch;
}

const Window& StreamOrder::window_at(int64_t stream, int64_t position) {
  auto& window = windows_.at(static_cast<size_t>(stream));
  if (!window || position < window->first_position || position >= window->end_position()) window = make_window(stream, position);
  return *window;
}

Window StreamOrder::make_window(int64_t stream, int64_t position) {
  if (position < 0) throw Error(Fault::bug, "position {} of a stream", position);
  Window window;
  // The largest e with epoch_start(stream, e) <= position.
  window.epoch = ((position + 1) * streams_ - stream - 1) / samples_;
  const Epoch& laid = epoch(window.epoch);
  const int64_t begin = laid.ranges[stream], end = laid.ranges[stream + 1];
  const int64_t start = epoch_start(stream, window.epoch);
  const int64_t first_block = index_at(laid.starts, begin);
  window.number = (index_at(laid.starts, begin + position - start) - first_block) / window_pieces_;
  int64_t block = first_block + window.number * window_pieces_;
  window.first_position = start + std::max(begin, laid.starts[block]) - begin;
  std::vector<int64_t> laid_out;
  for (int64_t i = 0; i < window_pieces_ && laid.starts[block] < end; ++i, ++block) {
    const int64_t from = std::max(begin, laid.starts[block]), to = std::min(end, laid.starts[block + 1]);
    const Piece piece{blocks_[laid.order[block]].first + from - laid.starts[block], to - from};
    for (int64_t k = 0; k < piece.count; ++k) laid_out.push_back(piece.first + k);
    window.pieces.push_back(piece);
  }
  window.offsets = rng_.permutation(static_cast<int64_t>(laid_out.size()), static_cast<uint32_t>(window.epoch), static_cast<uint32_t>(stream + 1),
                                    Rng::last_word({.purpose = Purpose::shuffle, .index = window.number}));
  window.samples.reserve(laid_out.size());
  for (const int64_t offset : window.offsets) window.samples.push_back(laid_out[offset]);
  return window;
}

int64_t StreamOrder::sample_at(int64_t stream, int64_t position) {
  const Window& window = window_at(stream, position);
  return window.samples[position - window.first_position];
}

std::vector<int64_t> StreamOrder::batch(const BatchPlan& plan, int64_t drawn) {
  std::vector<int64_t> samples;
  for (int64_t v = plan.first_stream(); v < plan.end_stream(); ++v)
    for (int64_t p = plan.given(v, drawn); p < plan.given(v, drawn + plan.global_batch); ++p) samples.push_back(sample_at(v, p));
  return samples;
}

}  // namespace ganymede::data
