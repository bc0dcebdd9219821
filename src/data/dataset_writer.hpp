// Writes a data set: samples go in from the first to the last, shards and the manifest come out.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "data/manifest.hpp"
#include "storage/hdf5.hpp"
#include "storage/hdf5_thread.hpp"

namespace ganymede::data {

class DatasetWriter {
 public:
  /// folder: an empty one that is put in place once finish() is done. description: type, shape, dtype, samples (the
  /// total, known beforehand), range, source, and `classes` where labels will be given; the rest is filled in.
  /// A shard holds about `shard_mib`, whole chunks, and at most format::max_chunks of them.
  DatasetWriter(storage::Hdf5Thread& thread, std::filesystem::path folder, Manifest description, int64_t shard_mib);
  ~DatasetWriter();
  DatasetWriter(const DatasetWriter&) = delete;
  DatasetWriter& operator=(const DatasetWriter&) = delete;

  /// samples: [n, shape…] in the description's type; labels: int32 [n] or undefined. Throws cannot_write when the disk is full.
  void add(const at::Tensor& samples, const at::Tensor& labels);
  /// After the last sample: closes, hashes, writes the manifest.
  Manifest finish();

 private:
  void open_shard();
  void close_shard();
  void count_labels(const at::Tensor& labels);

  storage::Hdf5Thread& thread_;
  std::filesystem::path folder_;
  Manifest manifest_;
  int64_t samples_per_shard_ = 0;
  int64_t done_ = 0;             // samples of the whole
  int64_t rows_ = 0, used_ = 0;  // of the open shard: its size, and what is filled
  std::optional<storage::File> file_;                 // these three on the Hdf5Thread only
  std::optional<storage::Dataset> samples_, labels_;
};

}  // namespace ganymede::data
