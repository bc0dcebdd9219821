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

/// A mixture with the words that name it for people.
struct NamedMixture {
  std::string name;
  Mixture mixture;
};
/// K Gaussians on a circle, component i at the angle 2πi/K.
NamedMixture ring(int64_t modes = 8, double radius = 2.0, double sd = 0.1);
/// side × side Gaussians, `spacing` apart, around the origin; component i · side + j stands in column i (x), row j (y).
NamedMixture grid(int64_t side = 5, double spacing = 1.5, double sd = 0.1);
/// Five on a line, some wide, some near each other: Ghosh et al. 2018, "Multi-Agent Diverse Generative Adversarial Networks".
NamedMixture gmm1d();

/// Points of a mixture, in the manifest's `formula`; the label is the component.
/// Purpose `data`, step 0, place = row: element 0 picks the component, the normals start at element 4.
struct MixtureOptions {
  std::filesystem::path output;
  int64_t samples = 100'000;
  uint64_t seed = 0;
  double scale = 1.0;     // every length is divided by it
  bool balanced = false;  // equally many of each: row i's is p(i) mod K, p the permutation of the rows keyed (0, 0, data | 3 << 8)
  int64_t shard_mib = format::default_shard_mib;
};
/// Throws Error(Fault::usage) for impossible options or mixtures, cannot_write as above.
Manifest synth_mixture(const NamedMixture& named, const MixtureOptions& options, storage::Hdf5Thread& thread);

/// Stacked MNIST: three grey digits as the channels of one image, the class 100a + 10b + c (a the digit in channel 0).
/// Metz et al. 2017, "Unrolled Generative Adversarial Networks", appendix D.
/// Purpose `data`, step 0, place = row: element j picks channel j's digit of n; with `once`, channel j's digit of row i is p_j(i),
/// p_j the permutation of the digits keyed (j, 0, data | 3 << 8).
struct StackedOptions {
  std::vector<std::filesystem::path> sources;  // data sets of grey images with ten classes, one size; their samples laid end to end
  std::filesystem::path output;
  int64_t count = 128'000;
  bool once = false;  // n stacks instead of `count`: every digit once in each channel
  uint64_t seed = 0;
  int64_t shard_mib = format::default_shard_mib;
};
/// Throws usage for impossible options, bad_data for sources that do not fit, cannot_write as above. Holds the grey images in memory.
Manifest synth_stacked(const StackedOptions& options, storage::Hdf5Thread& thread);

}  // namespace ganymede::data
