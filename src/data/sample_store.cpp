#include "data/sample_store.hpp"

#include "data/chunk_cache.hpp"

namespace ganymede::data {
namespace {

using Bytes = std::unique_ptr<uint8_t[]>;
Bytes bytes(int64_t count) { return Bytes(new uint8_t[static_cast<size_t>(count)]); }

class MemoryStore final : public SampleStore {
 public:
  explicit MemoryStore(Dataset& dataset) : cache_(dataset) {}
  void load(int64_t, const Window& window) override {
    for (const auto& piece : window.pieces) cache_.load(piece.first, piece.count);
  }
  const uint8_t* sample(int64_t, const Window& window, int64_t i) const override { return cache_.sample(window.samples[i]); }
  const uint8_t* label(int64_t, const Window& window, int64_t i) const override { return cache_.label(window.samples[i]); }

 private:
  ChunkCache cache_;
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
  if (ChunkCache::is_enough(dataset, cache_mib)) return std::make_unique<MemoryStore>(dataset);
  return std::make_unique<WindowStore>(dataset);
}

}  // namespace ganymede::data
