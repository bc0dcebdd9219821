// A whole data set in memory, its chunks being read when first needed.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "data/dataset.hpp"

namespace ganymede::data {

/// Used by one thread. `dataset` outlives it.
class ChunkCache {
 public:
  explicit ChunkCache(Dataset& dataset);
  /// Whether all of it fits into `cache_mib`.
  static bool is_enough(const Dataset& dataset, int64_t cache_mib);

  /// Reads what is not there yet of samples first … first + count − 1.
  void load(int64_t first, int64_t count);
  /// Of a loaded sample, as stored.
  const uint8_t* sample(int64_t number) const { return &samples_[number * dataset_.sample_bytes()]; }
  const uint8_t* label(int64_t number) const { return &labels_[number * dataset_.label_bytes()]; }

 private:
  Dataset& dataset_;
  std::unique_ptr<uint8_t[]> samples_, labels_;  // no vectors: pages stay untouched, hence unallocated, until a chunk is read into them
  std::vector<bool> is_loaded_;
  std::vector<int64_t> starts_;  // first sample of each chunk, and the end
};

}  // namespace ganymede::data
