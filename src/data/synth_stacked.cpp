#include <ATen/ops/empty.h>

#include <algorithm>

#include "core/error.hpp"
#include "core/rng.hpp"
#include "data/build.hpp"
#include "data/dataset.hpp"
#include "data/dataset_writer.hpp"
#include "storage/files.hpp"

namespace ganymede::data {
namespace {

constexpr int64_t channels = 3;
constexpr int64_t max_count = int64_t{1} << 31;
constexpr int64_t stacks_at_once_bytes = int64_t{4} << 20;
constexpr int64_t order_index = 3;  // of purpose `data`: orders of rows

struct Digits {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> pixels;
  std::vector<int32_t> labels;
  int64_t count() const { return static_cast<int64_t>(labels.size()); }
};

// Every source is read once, as a whole: a stack may take its digits from anywhere.
Digits read_digits(const std::vector<std::filesystem::path>& sources, storage::Hdf5Thread& thread) {
  Digits digits;
  for (const auto& source : sources) {
    Dataset dataset(source, thread);
    const auto& manifest = dataset.manifest();
    if (manifest.type != format::image_type || manifest.shape.at(2) != 1 || manifest.class_count() != 10)
      throw Error(Fault::bad_data, "{} cannot be stacked: it holds {} [{}] with {} classes", source.string(), manifest.type,
                  fmt::join(manifest.shape, ","), manifest.class_count())
          .remedy("name a data set of grey images with ten classes, as `ganymede data build datasets/mnist OUT` makes");
    if (digits.count() > 0 && (digits.height != manifest.shape[0] || digits.width != manifest.shape[1]))
      throw Error(Fault::bad_data, "{} has images of {} x {}, the source before it of {} x {}", source.string(), manifest.shape[0],
                  manifest.shape[1], digits.height, digits.width);
    digits.height = manifest.shape[0], digits.width = manifest.shape[1];
    const auto before = static_cast<size_t>(digits.count());
    digits.labels.resize(before + static_cast<size_t>(dataset.samples()));
    digits.pixels.resize(digits.labels.size() * static_cast<size_t>(dataset.sample_bytes()));
    uint8_t* pixels = &digits.pixels[before * static_cast<size_t>(dataset.sample_bytes())];
    dataset.read(0, dataset.samples(), pixels, reinterpret_cast<uint8_t*>(&digits.labels[before]));
  }
  return digits;
}

Manifest describe(const StackedOptions& options, const Digits& digits, int64_t count) {
  Manifest out;
  out.type = format::image_type;
  out.shape = {digits.height, digits.width, channels};
  out.dtype = "uint8";
  out.samples = count;
  out.classes.emplace();
  for (int64_t k = 0; k < 1000; ++k) out.classes->push_back(fmt::format("{:03}", k));
  out.range_high = 255;
  out.source = fmt::format("stacks of {} of {} grey digits{}, seed {}", channels, digits.count(),
                           options.once ? ", each once in every channel" : "", options.seed);
  out.stacked = StackedDigits{digits.count()};
  return out;
}

}  // namespace

Manifest synth_stacked(const StackedOptions& options, storage::Hdf5Thread& thread) {
  if (options.count < 1 || options.count > max_count)
    throw Error(Fault::usage, "--count {}: must be between 1 and {}", options.count, max_count);
  if (options.shard_mib < 1) throw Error(Fault::usage, "--shard-mib {}: must be at least 1", options.shard_mib);
  storage::remove_stale_pending(options.output.has_parent_path() ? options.output.parent_path() : ".", options.output.filename().string());
  const auto digits = read_digits(options.sources, thread);
  const int64_t n = digits.count(), pixels = digits.height * digits.width, total = options.once ? n : options.count;
  const Rng rng(options.seed);
  std::array<std::vector<int64_t>, channels> orders;
  for (size_t j = 0; options.once && j < channels; ++j)
    orders[j] = rng.permutation(n, static_cast<uint32_t>(j), 0, Rng::last_word({.purpose = Purpose::data, .index = order_index}));

  storage::PendingFolder pending(options.output);
  DatasetWriter writer(thread, pending.path(), describe(options, digits, total), options.shard_mib);
  const int64_t at_once = std::max<int64_t>(1, stacks_at_once_bytes / (channels * pixels));
  for (int64_t first = 0; first < total; first += at_once) {
    const int64_t count = std::min(at_once, total - first);
    auto stacks = at::empty({count, digits.height, digits.width, channels}, at::TensorOptions().dtype(at::kByte));
    auto labels = at::empty({count}, at::TensorOptions().dtype(at::kInt));
    for (int64_t i = 0; i < count; ++i) {
      const auto words = rng.words({.purpose = Purpose::data}, first + i, 0);
      int32_t label = 0;
      for (size_t j = 0; j < channels; ++j) {
        const auto drawn = static_cast<int64_t>((uint64_t{words[j]} * static_cast<uint64_t>(n)) >> 32);
        const int64_t digit = options.once ? orders[j][first + i] : drawn;
        label = 10 * label + digits.labels[digit];
        uint8_t* to = stacks.mutable_data_ptr<uint8_t>() + i * pixels * channels + static_cast<int64_t>(j);
        const uint8_t* from = &digits.pixels[digit * pixels];
        for (int64_t p = 0; p < pixels; ++p) to[p * channels] = from[p];
      }
      labels.mutable_data_ptr<int32_t>()[i] = label;
    }
    writer.add(stacks, labels);
  }
  auto manifest = writer.finish();
  pending.commit();
  return manifest;
}

}  // namespace ganymede::data
