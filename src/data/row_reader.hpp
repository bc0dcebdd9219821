// Any sample of a data set by its number, for draws that follow no order.
#pragma once
#include <cstdint>
#include <memory>

#include "data/batch.hpp"
#include "data/dataset.hpp"

namespace ganymede::data {

/// Used by one thread.
class RowReader {
 public:
  virtual ~RowReader() = default;
  /// Sample `number` as stored, and its label; `label` may be null.
  virtual void read(int64_t number, uint8_t* sample, uint8_t* label) = 0;
  /// Puts sample, label and number at place `i` of the batch.
  void put(int64_t number, Batch& batch, int64_t i);
};

/// From memory if the data set fits into `cache_mib`, else each by itself from its shard: right, but slow.
std::unique_ptr<RowReader> make_row_reader(Dataset& dataset, int64_t cache_mib);

}  // namespace ganymede::data
