// Where the samples of a stream's window are while it is being drawn from: the whole data set in memory, or only the windows.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "data/dataset.hpp"
#include "data/streams.hpp"

namespace ganymede::data {

class SampleStore {
 public:
  virtual ~SampleStore() = default;
  /// Reads what is not there yet; `window` stays the stream's current one until the next call for that stream.
  virtual void load(int64_t stream, const Window& window) = 0;
  /// Sample and label number `i` of the loaded window (after its shuffle), as stored.
  virtual const uint8_t* sample(int64_t stream, const Window& window, int64_t i) const = 0;
  virtual const uint8_t* label(int64_t stream, const Window& window, int64_t i) const = 0;
};

/// The whole data set if it fits into `cache_mib`, chunks being read when first needed; else plain reads of each window.
std::unique_ptr<SampleStore> make_store(Dataset& dataset, int64_t cache_mib);

}  // namespace ganymede::data
