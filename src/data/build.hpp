// Builds data sets: from files that people have, or from a formula. OUT appears complete or not at all; it may exist only as an
// empty folder. Equal input gives equal bytes.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>

#include "data/manifest.hpp"
#include "data/resize.hpp"
#include "data/shard_format.hpp"
#include "storage/hdf5_thread.hpp"

namespace ganymede::data {

enum class Split { train, test };

struct IdxOptions {
  /// A folder with {train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz], or one images file, whose labels file is taken if
  /// it lies beside it under the matching name.
  std::filesystem::path source;
  std::filesystem::path output;
  Split split = Split::train;  // of a folder
  bool labels = true;
  std::optional<int64_t> size;  // of the square to which images are brought
  Fit fit = Fit::crop;
  int64_t shard_mib = format::default_shard_mib;
};
/// Throws bad_data naming the file, cannot_write if OUT is not empty or the disk is full.
Manifest build_from_idx(const IdxOptions& options, storage::Hdf5Thread& thread);

/// A ring of Gaussians: component i has its centre at the angle 2πi/K; the label is the component.
/// Purpose `data`, step 0, place = row: element 0 picks the component, elements 4 and 5 are the normals.
struct RingOptions {
  std::filesystem::path output;
  int64_t samples = 100'000;
  int64_t modes = 8;
  double radius = 2.0;
  double sd = 0.1;
  uint64_t seed = 0;
  int64_t shard_mib = format::default_shard_mib;
};
/// Throws Error(Fault::usage) for impossible options, cannot_write as above.
Manifest synth_ring(const RingOptions& options, storage::Hdf5Thread& thread);

}  // namespace ganymede::data
