// manifest.json: what a data set is and which shards hold it.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/mixture.hpp"

namespace ganymede::data {

/// What `data synth stacked-mnist` remembers of its source.
struct StackedDigits {
  int64_t digits = 0;  // grey images that the channels were drawn from
  bool operator==(const StackedDigits&) const = default;
};

struct Manifest {
  struct Shard {
    std::string file;  // a bare name in the manifest's folder
    int64_t samples = 0, bytes = 0;
    std::string sha256;
  };
  std::string type;            // "image", "video" or "points"
  std::vector<int64_t> shape;  // of one sample: [H,W,C], [T,H,W,C] or [F]
  std::string dtype;           // "uint8" or "float32"
  int64_t samples = 0;
  std::optional<std::vector<std::string>> classes;     // names
  std::optional<std::vector<std::string>> attributes;  // names of yes/no attributes
  std::optional<std::vector<int64_t>> counts;          // samples of each class
  double range_low = 0, range_high = 0;
  std::string source;  // for people: where the data come from
  std::vector<Shard> shards;
  /// The key `formula`: at most one of the two, for data sets that `data synth` made.
  std::optional<Mixture> mixture;
  std::optional<StackedDigits> stacked;

  /// SHA-256 of the bytes of manifest.json, which names the data set in checkpoints; set by read and write.
  std::string sha256;

  bool is_points() const { return type == "points"; }
  /// "NHWC", "NTHWC" or "NF".
  std::string layout() const;
  int64_t sample_bytes() const;
  int64_t class_count() const { return classes ? static_cast<int64_t>(classes->size()) : 0; }
};

/// Throws Error(Fault::bad_data), naming folder and key, for anything that is not exactly a manifest of this version:
/// missing keys, wrong types, file names that leave the folder, sums that do not fit.
Manifest read_manifest(const std::filesystem::path& folder);
/// Writes folder/manifest.json and sets `manifest.sha256`. Equal manifests give equal bytes.
void write_manifest(const std::filesystem::path& folder, Manifest& manifest);

}  // namespace ganymede::data
