#include "data/inspect.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.hpp"
#include "core/rng.hpp"

namespace ganymede::data {
namespace {

constexpr int64_t at_once_bytes = int64_t{16} << 20;

// Sums per channel; pixels are summed as integers, hence exactly.
struct Sums {
  explicit Sums(size_t channels) : pixels(channels), pixel_squares(channels), values(channels), squares(channels) {}
  void add(const uint8_t* pixel, int64_t count) {
    const auto channels = static_cast<int64_t>(pixels.size());
    for (int64_t i = 0; i < count; i += channels)
      for (int64_t c = 0; c < channels; ++c) {
        pixels[c] += pixel[i + c];
        pixel_squares[c] += uint64_t{pixel[i + c]} * pixel[i + c];
      }
  }
  void add(const float* value, int64_t count) {
    const auto channels = static_cast<int64_t>(values.size());
    for (int64_t i = 0; i < count; i += channels)
      for (int64_t c = 0; c < channels; ++c) {
        values[c] += value[i + c];
        squares[c] += static_cast<long double>(value[i + c]) * value[i + c];
      }
  }
  std::vector<uint64_t> pixels, pixel_squares;
  std::vector<long double> values, squares;
};

void finish(DatasetStat& stat, const Sums& sums, int64_t values_per_channel) {
  const auto n = static_cast<long double>(values_per_channel);
  long double total = 0, total_squares = 0;
  const auto deviation = [](long double mean, long double mean_square) { return static_cast<double>(std::sqrt(std::max<long double>(0, mean_square - mean * mean))); };
  for (size_t c = 0; c < sums.values.size(); ++c) {
    const long double mean = (sums.values[c] + static_cast<long double>(sums.pixels[c])) / n;
    const long double mean_square = (sums.squares[c] + static_cast<long double>(sums.pixel_squares[c])) / n;
    stat.channel_mean.push_back(static_cast<double>(mean));
    stat.channel_std.push_back(deviation(mean, mean_square));
    total += mean;
    total_squares += mean_square;
  }
  const auto channels = static_cast<long double>(sums.values.size());
  stat.mean = static_cast<double>(total / channels);
  stat.std = deviation(total / channels, total_squares / channels);
}

}  // namespace

DatasetStat stat(const std::filesystem::path& folder, storage::Hdf5Thread& thread) {
  Dataset dataset(folder, thread);
  const Manifest& manifest = dataset.manifest();
  DatasetStat out{.samples = manifest.samples, .shape = manifest.shape, .classes = manifest.classes, .counts = {}, .channel_mean = {}, .channel_std = {}};
  if (manifest.classes) out.counts = std::vector<int64_t>(manifest.classes->size(), 0);
  for (const auto& shard : manifest.shards) out.bytes += shard.bytes;
  Sums sums(static_cast<size_t>(manifest.shape.back()));
  const int64_t at_once = std::max<int64_t>(1, at_once_bytes / dataset.sample_bytes());
  std::vector<uint8_t> samples(static_cast<size_t>(std::min(at_once, manifest.samples) * dataset.sample_bytes()));
  std::vector<uint8_t> labels(static_cast<size_t>(std::min(at_once, manifest.samples) * dataset.label_bytes()));
  for (int64_t first = 0; first < manifest.samples; first += at_once) {
    const int64_t count = std::min(at_once, manifest.samples - first);
    dataset.read(first, count, samples.data(), labels.data());
    const int64_t bytes = count * dataset.sample_bytes();
    if (manifest.is_points()) sums.add(reinterpret_cast<const float*>(samples.data()), bytes / int64_t{sizeof(float)});
    else sums.add(samples.data(), bytes);
    for (int64_t i = 0; out.counts && i < count; ++i) ++(*out.counts)[reinterpret_cast<const int32_t*>(labels.data())[i]];
  }
  const int64_t values = manifest.samples * dataset.sample_bytes() / (manifest.is_points() ? 4 : 1);
  finish(out, sums, values / manifest.shape.back());
  return out;
}

Peek peek(const std::filesystem::path& folder, int64_t count, uint64_t seed, storage::Hdf5Thread& thread) {
  if (count < 1) throw Error(Fault::usage, "--count {}: must be at least 1", count);
  Dataset dataset(folder, thread);
  const Manifest& manifest = dataset.manifest();
  count = std::min(count, manifest.samples);
  Peek out;
  // Draws until enough are different; past half of the data set a permutation is cheaper.
  const Rng rng(seed);
  if (2 * count > manifest.samples) {
    out.real_index = rng.permutation(manifest.samples, 0, 0, Rng::last_word({Purpose::eval}));
    out.real_index.resize(static_cast<size_t>(count));
  } else {
    std::set<int64_t> taken;
    for (int64_t place = 0; static_cast<int64_t>(out.real_index.size()) < count; ++place) {
      const auto words = rng.words({Purpose::eval}, place, 0);
      const auto word = static_cast<unsigned __int128>(uint64_t{words[0]} << 32 | words[1]);
      const auto sample = static_cast<int64_t>((word * static_cast<uint64_t>(manifest.samples)) >> 64);
      if (taken.insert(sample).second) out.real_index.push_back(sample);
    }
  }
  auto sizes = manifest.shape;
  sizes.insert(sizes.begin(), count);
  out.samples = at::empty(sizes, at::TensorOptions().dtype(manifest.is_points() ? at::kFloat : at::kByte));
  if (manifest.classes) {
    out.labels = at::empty({count}, at::TensorOptions().dtype(at::kInt));
    out.classes = *manifest.classes;
  }
  std::vector<uint8_t> label(static_cast<size_t>(dataset.label_bytes()));
  for (int64_t i = 0; i < count; ++i) {
    dataset.read(out.real_index[i], 1, static_cast<uint8_t*>(out.samples.mutable_data_ptr()) + i * dataset.sample_bytes(), label.data());
    if (manifest.classes) std::memcpy(out.labels.mutable_data_ptr<int32_t>() + i, label.data(), sizeof(int32_t));
  }
  return out;
}

}  // namespace ganymede::data
