#include "data/sample_store.hpp"

#include <algorithm>

#include "core/log.hpp"

namespace ganymede::data {
namespace {

// Not a vector: pages stay untouched, hence unallocated, until a chunk is read into them.
using Bytes = std::unique_ptr<uint8_t[]>;
Bytes bytes(int64_t count) { return Bytes(new uint8_t[static_cast<size_t>(count)]); }

class MemoryStore final : public SampleStore {
 public:
  explicit MemoryStore(Dataset& dataset)
      : dataset_(dataset), samples_(bytes(dataset.samples() * dataset.sample_bytes())), labels_(bytes(dataset.samples() * dataset.label_bytes())),
        is_loaded_(dataset.chunks().size()) {
    int64_t first = 0;
    for (const int64_t chunk : dataset.chunks()) {
      starts_.push_back(first);
      first += chunk;
    }
    starts_.push_back(first);
  }
  void load(int64_t, const Window& window) override {
    for (const auto& piece : window.pieces) {
      const auto at = std::upper_bound(starts_.begin(), starts_.end(), piece.first) - starts_.begin() - 1;
      for (auto chunk = static_cast<size_t>(at); starts_[chunk] < piece.first + piece.count; ++chunk) load_chunk(chunk);
    }
  }
  const uint8_t* sample(int64_t, const Window& window, int64_t i) const override { return &samples_[window.samples[i] * dataset_.sample_bytes()]; }
  const uint8_t* label(int64_t, const Window& window, int64_t i) const override { return &labels_[window.samples[i] * dataset_.label_bytes()]; }

 private:
  void load_chunk(size_t chunk) {
    if (is_loaded_[chunk]) return;
    const int64_t first = starts_[chunk];
    dataset_.read(first, starts_[chunk + 1] - first, &samples_[first * dataset_.sample_bytes()], &labels_[first * dataset_.label_bytes()]);
    is_loaded_[chunk] = true;
  }

  Dataset& dataset_;
  Bytes samples_, labels_;
  std::vector<bool> is_loaded_;
  std::vector<int64_t> starts_;  // first sample of each chunk, and the end
};

class WindowStore final : public SampleStore {
 public:
  explicit WindowStore(Dataset& dataset) : dataset_(dataset) {}
  void load(int64_t stream, const Window& window) override {
    auto& held = held_[stream];
    if (held.samples && held.first_position == window.first_position) return;
    if (held.capacity < window.size()) {
      held.samples.reset();  // before the new one is taken: both would be twice the windows
      held.samples = bytes(window.size() * dataset_.sample_bytes());
      held.labels = bytes(window.size() * dataset_.label_bytes());
      held.capacity = window.size();
    }
    held.first_position = -1;  // nothing whole until the reads are done
    int64_t row = 0;
    for (const auto& piece : window.pieces) {
      dataset_.read(piece.first, piece.count, &held.samples[row * dataset_.sample_bytes()], &held.labels[row * dataset_.label_bytes()]);
      row += piece.count;
    }
    held.first_position = window.first_position;
  }
  const uint8_t* sample(int64_t stream, const Window& window, int64_t i) const override {
    return &held_.at(stream).samples[window.offsets[i] * dataset_.sample_bytes()];
  }
  const uint8_t* label(int64_t stream, const Window& window, int64_t i) const override {
    return &held_.at(stream).labels[window.offsets[i] * dataset_.label_bytes()];
  }

 private:
  struct Held {
    Bytes samples, labels;
    int64_t capacity = 0, first_position = -1;
  };
  Dataset& dataset_;
  std::map<int64_t, Held> held_;  // by stream
};

}  // namespace

std::unique_ptr<SampleStore> make_store(Dataset& dataset, int64_t cache_mib) {
  const double needed_mib = static_cast<double>(dataset.samples()) * static_cast<double>(dataset.sample_bytes() + dataset.label_bytes()) / (1 << 20);
  const bool fits = needed_mib <= static_cast<double>(cache_mib);
  log::debug("the data set has {:.1f} MiB: {} (data.cache_mib = {})", needed_mib, fits ? "kept in memory" : "read window by window", cache_mib);
  if (fits) return std::make_unique<MemoryStore>(dataset);
  return std::make_unique<WindowStore>(dataset);
}

}  // namespace ganymede::data
