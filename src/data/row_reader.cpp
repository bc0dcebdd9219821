#include "data/row_reader.hpp"

#include <cstring>

#include "data/chunk_cache.hpp"

namespace ganymede::data {
namespace {

class MemoryRows final : public RowReader {
 public:
  explicit MemoryRows(Dataset& dataset) : dataset_(dataset), cache_(dataset) {}
  void read(int64_t number, uint8_t* sample, uint8_t* label) override {
    cache_.load(number, 1);
    std::memcpy(sample, cache_.sample(number), static_cast<size_t>(dataset_.sample_bytes()));
    if (label) std::memcpy(label, cache_.label(number), static_cast<size_t>(dataset_.label_bytes()));
  }

 private:
  Dataset& dataset_;
  ChunkCache cache_;
};

class ShardRows final : public RowReader {
 public:
  explicit ShardRows(Dataset& dataset) : dataset_(dataset) {}
  void read(int64_t number, uint8_t* sample, uint8_t* label) override { dataset_.read(number, 1, sample, label); }

 private:
  Dataset& dataset_;
};

// The bytes of place `i` of a tensor of places; null for an undefined one.
uint8_t* row_of(const at::Tensor& tensor, int64_t i) {
  if (!tensor.defined()) return nullptr;
  return static_cast<uint8_t*>(tensor.mutable_data_ptr()) + i * static_cast<int64_t>(tensor.nbytes()) / tensor.size(0);
}

}  // namespace

void RowReader::put(int64_t number, Batch& batch, int64_t i) {
  read(number, row_of(batch.samples, i), row_of(batch.labels, i));
  batch.real_index.mutable_data_ptr<int64_t>()[i] = number;
}

std::unique_ptr<RowReader> make_row_reader(Dataset& dataset, int64_t cache_mib) {
  if (ChunkCache::is_enough(dataset, cache_mib)) return std::make_unique<MemoryRows>(dataset);
  return std::make_unique<ShardRows>(dataset);
}

}  // namespace ganymede::data
