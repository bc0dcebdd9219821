#include <ATen/ops/empty.h>

#include <algorithm>

#include "core/error.hpp"
#include "core/log.hpp"
#include "data/build.hpp"
#include "data/dataset_writer.hpp"
#include "data/idx.hpp"
#include "storage/files.hpp"

namespace ganymede::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t max_size = 4096;
constexpr int64_t images_at_once_bytes = int64_t{4} << 20;

struct IdxPaths {
  fs::path images;
  std::optional<fs::path> labels;
};

// The file itself or its gzipped form.
std::optional<fs::path> find_file(const fs::path& path) {
  for (const fs::path& candidate : {path, fs::path(path.string() + ".gz")}) {
    std::error_code ignored;
    if (fs::is_regular_file(candidate, ignored)) return candidate;
  }
  return std::nullopt;
}

Error missing(const fs::path& path, const std::string& remedy) {
  return Error(Fault::bad_data, "{}[.gz] is missing", path.string()).remedy("{}", remedy);
}

IdxPaths find_in_folder(const IdxOptions& options) {
  const std::string prefix = options.split == Split::train ? "train" : "t10k";
  const fs::path images = options.source / (prefix + "-images-idx3-ubyte"), labels = options.source / (prefix + "-labels-idx1-ubyte");
  IdxPaths paths;
  const auto found = find_file(images);
  if (!found) throw missing(images, "name a folder that holds it, or the images file itself");
  paths.images = *found;
  if (!options.labels) return paths;
  paths.labels = find_file(labels);
  if (!paths.labels) throw missing(labels, "put it beside the images, or build without labels (--no-labels)");
  return paths;
}

IdxPaths find_paths(const IdxOptions& options) {
  std::error_code ignored;
  if (fs::is_directory(options.source, ignored)) return find_in_folder(options);
  (void)storage::InputFile(options.source).size();  // before anything is said about labels
  IdxPaths paths{.images = options.source, .labels = {}};
  if (!options.labels) return paths;
  std::string name = options.source.filename().string();
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  const std::string images_part = "images-idx3";
  const auto at = name.find(images_part);
  if (at != std::string::npos) paths.labels = find_file(options.source.parent_path() / name.replace(at, images_part.size(), "labels-idx1"));
  if (!paths.labels) log::warning("no labels file lies beside {}: the data set will have no classes", options.source.string());
  return paths;
}

std::vector<int32_t> read_labels(const fs::path& path, int64_t images, const fs::path& images_path) {
  IdxFile file(path, IdxFile::labels_magic);
  if (file.count() != images)
    throw Error(Fault::bad_data, "{} has {} labels, {} has {} images", path.string(), file.count(), images_path.string(), images)
        .remedy("check that the two files belong together");
  std::vector<uint8_t> bytes(static_cast<size_t>(images));
  file.read(bytes.data(), images);
  file.expect_end();
  return {bytes.begin(), bytes.end()};
}

}  // namespace

Manifest build_from_idx(const IdxOptions& options, storage::Hdf5Thread& thread) {
  if (options.size && (*options.size < 1 || *options.size > max_size)) throw Error(Fault::usage, "--size {}: must be between 1 and {}", *options.size, max_size);
  if (options.shard_mib < 1) throw Error(Fault::usage, "--shard-mib {}: must be at least 1", options.shard_mib);
  storage::remove_stale_pending(options.output.has_parent_path() ? options.output.parent_path() : ".", options.output.filename().string());
  const auto paths = find_paths(options);
  IdxFile images(paths.images, IdxFile::images_magic);
  std::vector<int32_t> labels;
  if (paths.labels) labels = read_labels(*paths.labels, images.count(), paths.images);

  Manifest description{.type = format::image_type, .shape = {options.size.value_or(images.height()), options.size.value_or(images.width()), 1}, .dtype = "uint8",
                       .samples = images.count(), .classes = {}, .attributes = {}, .counts = {}, .range_low = 0, .range_high = 255,
                       .source = fmt::format("IDX file {}, {} x {}", paths.images.filename().string(), images.height(), images.width()), .shards = {}, .mixture = {}, .stacked = {}, .sha256 = {}};
  if (!labels.empty()) {
    description.classes.emplace();
    for (int32_t c = 0; c <= *std::max_element(labels.begin(), labels.end()); ++c) description.classes->push_back(std::to_string(c));
  }

  storage::PendingFolder pending(options.output);
  DatasetWriter writer(thread, pending.path(), std::move(description), options.shard_mib);
  const int64_t at_once = std::max<int64_t>(1, images_at_once_bytes / (images.height() * images.width()));
  for (int64_t first = 0; first < images.count(); first += at_once) {
    const int64_t count = std::min(at_once, images.count() - first);
    auto batch = at::empty({count, images.height(), images.width(), 1}, at::TensorOptions().dtype(at::kByte));
    images.read(batch.mutable_data_ptr<uint8_t>(), count);
    if (options.size) batch = fit_to_square(batch, *options.size, options.fit);
    at::Tensor batch_labels;
    if (!labels.empty()) {
      batch_labels = at::empty({count}, at::TensorOptions().dtype(at::kInt));
      std::copy_n(labels.begin() + first, count, batch_labels.mutable_data_ptr<int32_t>());
    }
    writer.add(batch, batch_labels);
  }
  images.expect_end();
  auto manifest = writer.finish();
  pending.commit();
  return manifest;
}

}  // namespace ganymede::data
