// A data set opened for reading: the manifest and its shards, each checked against it when the data set is opened.
#pragma once
#include <cstdint>
#include <filesystem>
#include <list>
#include <vector>

#include "data/manifest.hpp"
#include "storage/hdf5.hpp"
#include "storage/hdf5_thread.hpp"

namespace ganymede::data {

/// Any thread may call; HDF5 runs on the Hdf5Thread, which outlives this.
class Dataset {
 public:
  /// Opens every shard once: its size, extent, element type, attributes and labels must be what the manifest says, and
  /// everything declared must be stored. Throws Error(Fault::bad_data) naming the shard. Hashes are left to verify().
  Dataset(std::filesystem::path folder, storage::Hdf5Thread& thread);
  ~Dataset();
  Dataset(const Dataset&) = delete;
  Dataset& operator=(const Dataset&) = delete;

  const std::filesystem::path& folder() const { return folder_; }
  const Manifest& manifest() const { return manifest_; }
  int64_t samples() const { return manifest_.samples; }
  int64_t sample_bytes() const { return manifest_.sample_bytes(); }
  /// Samples of each class, counted when the data set was opened; empty where there are no classes.
  const std::vector<int64_t>& class_counts() const { return class_counts_; }
  bool has_labels() const { return label_bytes() > 0; }
  /// Of one sample's label as stored: 4 (int32 class), A (attributes), 0 (none).
  int64_t label_bytes() const;
  /// Samples of every chunk, shards in the manifest's order; what StreamOrder is made of.
  const std::vector<int64_t>& chunks() const { return chunks_; }

  /// Samples [first, first + count) as stored, across shards; `labels` may be null.
  void read(int64_t first, int64_t count, uint8_t* samples, uint8_t* labels);
  /// Their classes alone. The data set has classes.
  std::vector<int32_t> read_classes(int64_t first, int64_t count);

 private:
  struct OpenShard {
    size_t number;
    storage::File file;
    storage::Dataset samples;
    std::optional<storage::Dataset> labels;
  };
  OpenShard open_shard(size_t number) const;
  OpenShard& shard(size_t number);
  void check_shard(OpenShard& shard);
  // The shard that holds sample `first`, its row there, and how many of `count` samples it holds from there on.
  struct Part {
    size_t shard;
    int64_t row, rows;
  };
  Part part_of(int64_t first, int64_t count) const;
  void check_finite(const float* points, int64_t first_row, int64_t rows, const std::filesystem::path& path) const;

  std::filesystem::path folder_;
  storage::Hdf5Thread& thread_;
  Manifest manifest_;
  std::vector<int64_t> chunks_, first_samples_;  // first_samples_: of each shard
  std::vector<int64_t> class_counts_;
  std::list<OpenShard> open_;                    // Hdf5Thread only; few, most recently used first: a site may allow 64 open files
};

/// Compares size and SHA-256 of every shard file with the manifest, before HDF5 sees any of them: a damaged file can crash the
/// library. Throws bad_data naming the first one that differs.
void verify(const std::filesystem::path& folder);

}  // namespace ganymede::data
