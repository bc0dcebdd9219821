#include "data/chunk_cache.hpp"

#include <algorithm>

#include "core/log.hpp"

namespace ganymede::data {

ChunkCache::ChunkCache(Dataset& dataset)
    : dataset_(dataset), samples_(new uint8_t[static_cast<size_t>(dataset.samples() * dataset.sample_bytes())]),
      labels_(new uint8_t[static_cast<size_t>(dataset.samples() * dataset.label_bytes())]), is_loaded_(dataset.chunks().size()) {
  int64_t first = 0;
  for (const int64_t chunk : dataset.chunks()) {
    starts_.push_back(first);
    first += chunk;
  }
  starts_.push_back(first);
}

bool ChunkCache::is_enough(const Dataset& dataset, int64_t cache_mib) {
  const int64_t bytes = dataset.sample_bytes() + dataset.label_bytes();
  const double needed_mib = static_cast<double>(dataset.samples()) * static_cast<double>(bytes) / (1 << 20);
  const bool fits = needed_mib <= static_cast<double>(cache_mib);
  log::debug("the data set has {:.1f} MiB: {} (data.cache_mib = {})", needed_mib, fits ? "kept in memory" : "read when needed", cache_mib);
  return fits;
}

void ChunkCache::load(int64_t first, int64_t count) {
  const auto at = std::upper_bound(starts_.begin(), starts_.end(), first) - starts_.begin() - 1;
  for (auto chunk = static_cast<size_t>(at); starts_[chunk] < first + count; ++chunk) {
    if (is_loaded_[chunk]) continue;
    const int64_t begin = starts_[chunk];
    dataset_.read(begin, starts_[chunk + 1] - begin, &samples_[begin * dataset_.sample_bytes()], &labels_[begin * dataset_.label_bytes()]);
    is_loaded_[chunk] = true;
  }
}

}  // namespace ganymede::data
