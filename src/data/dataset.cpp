#include "data/dataset.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "data/shard_format.hpp"
#include "storage/files.hpp"
#include "storage/sha256.hpp"

namespace ganymede::data {
namespace {

constexpr size_t max_open_shards = 16;
constexpr int64_t labels_at_once = int64_t{1} << 18;

Error unfit(const std::filesystem::path& path, const std::string& why) {
  return Error(Fault::bad_data, "shard {} does not fit its manifest: {}", path.string(), why)
      .remedy("copy it again, or build the data set again");
}

void check_size(const std::filesystem::path& path, int64_t promised) {
  const int64_t bytes = storage::InputFile(path).size();
  if (bytes == promised) return;
  auto error = unfit(path, fmt::format("it has {} bytes, not {}", bytes, promised));
  throw bytes < promised ? error.cause("it ends early, as after an interrupted copy") : error;
}

std::string show(const State::Value& value) {
  return std::visit([](const auto& v) { return fmt::format("{}", v); }, value);
}

// A shard that someone else wrote may lack the attributes; what it has must fit.
void check_attributes(const storage::File& file, const Manifest& manifest) {
  const auto version = file.attribute("", format::version_attribute);
  if (version && *version != State::Value(format::version))
    throw Error(Fault::bad_data, "shard {} has version {}, this program reads version {}", file.path().string(), show(*version), format::version)
        .cause("another version of ganymede wrote it")
        .remedy("use that version, or build the data set again with this one");
  const auto expect = [&](const char* name, const State::Value& value) {
    const auto found = file.attribute("", name);
    if (found && *found != value) throw unfit(file.path(), fmt::format("its attribute '{}' is '{}', not '{}'", name, show(*found), show(value)));
  };
  expect(format::format_attribute, std::string(format::shard_format));
  expect(format::layout_attribute, manifest.layout());
  if (manifest.classes) expect(format::classes_attribute, manifest.class_count());
}

void check_dataset(const storage::Dataset& dataset, const char* name, at::ScalarType type, const std::vector<int64_t>& dims, const std::filesystem::path& path) {
  if (dataset.type() != type) throw unfit(path, fmt::format("'{}' holds {}, not {}", name, c10::toString(dataset.type()), c10::toString(type)));
  if (dataset.dims() != dims) throw unfit(path, fmt::format("'{}' is [{}], not [{}]", name, fmt::join(dataset.dims(), ","), fmt::join(dims, ",")));
}

}  // namespace

Dataset::Dataset(std::filesystem::path folder, storage::Hdf5Thread& thread) : folder_(std::move(folder)), thread_(thread), manifest_(read_manifest(folder_)) {
  int64_t first = 0;
  class_counts_.resize(static_cast<size_t>(manifest_.class_count()));
  for (size_t number = 0; number < manifest_.shards.size(); ++number) {
    first_samples_.push_back(first);
    first += manifest_.shards[number].samples;
    thread_.run(storage::Priority::read, [&] {
      auto shard = open_shard(number);
      check_shard(shard);
    });
  }
  for (size_t k = 0; manifest_.counts && k < class_counts_.size(); ++k)
    if (manifest_.counts->at(k) != class_counts_[k])
      throw Error(Fault::bad_data, "the manifest of {} counts {} samples of class {}, its shards hold {}", folder_.string(), manifest_.counts->at(k), k, class_counts_[k])
          .cause("manifest and shards are of different builds")
          .remedy("build the data set again");
}

Dataset::~Dataset() {
  thread_.run(storage::Priority::read, [this] { open_.clear(); });
}

int64_t Dataset::label_bytes() const {
  if (manifest_.classes) return sizeof(int32_t);
  return manifest_.attributes ? static_cast<int64_t>(manifest_.attributes->size()) : 0;
}

Dataset::OpenShard Dataset::open_shard(size_t number) const {
  const auto& about = manifest_.shards[number];
  const auto path = folder_ / about.file;
  check_size(path, about.bytes);
  auto file = storage::File::open(path);
  check_attributes(file, manifest_);
  auto samples = file.dataset(format::samples_name);
  std::vector<int64_t> dims{about.samples};
  dims.insert(dims.end(), manifest_.shape.begin(), manifest_.shape.end());
  check_dataset(samples, format::samples_name, manifest_.is_points() ? at::kFloat : at::kByte, dims, path);
  std::optional<storage::Dataset> labels;
  if (manifest_.classes) {
    labels = file.dataset(format::labels_name);
    check_dataset(*labels, format::labels_name, at::kInt, {about.samples}, path);
  } else if (manifest_.attributes) {
    labels = file.dataset(format::labels_name);
    check_dataset(*labels, format::labels_name, at::kByte, {about.samples, label_bytes()}, path);
  }
  return {number, std::move(file), std::move(samples), std::move(labels)};
}

void Dataset::check_shard(OpenShard& shard) {
  const auto& about = manifest_.shards[shard.number];
  const int64_t extent = shard.samples.chunk_rows() > 0 ? shard.samples.chunk_rows() : format::chunk_samples(sample_bytes());
  for (int64_t first = 0; first < about.samples; first += extent) chunks_.push_back(std::min(extent, about.samples - first));
  if (!manifest_.classes) return;
  std::vector<int32_t> labels;
  for (int64_t first = 0; first < about.samples; first += labels_at_once) {
    labels.resize(static_cast<size_t>(std::min(labels_at_once, about.samples - first)));
    shard.labels->read_rows(first, static_cast<int64_t>(labels.size()), labels.data());
    for (size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] < 0 || labels[i] >= manifest_.class_count())
        throw unfit(shard.file.path(), fmt::format("label {} of sample {} is not one of {} classes", labels[i], first + static_cast<int64_t>(i), manifest_.class_count()));
      ++class_counts_[static_cast<size_t>(labels[i])];
    }
  }
}

void Dataset::check_finite(const float* points, int64_t first_row, int64_t rows, const std::filesystem::path& path) const {
  const int64_t features = manifest_.shape.at(0);
  for (int64_t i = 0; i < rows * features; ++i)
    if (!std::isfinite(points[i])) throw unfit(path, fmt::format("sample {} holds a value that is not finite", first_row + i / features));
}

Dataset::OpenShard& Dataset::shard(size_t number) {
  const auto known = std::find_if(open_.begin(), open_.end(), [&](const OpenShard& shard) { return shard.number == number; });
  if (known != open_.end()) {
    open_.splice(open_.begin(), open_, known);
  } else {
    if (open_.size() == max_open_shards) open_.pop_back();
    open_.push_front(open_shard(number));
  }
  return open_.front();
}

Dataset::Part Dataset::part_of(int64_t first, int64_t count) const {
  if (first < 0 || count < 0 || first + count > manifest_.samples) throw Error(Fault::bug, "samples {} to {} of {}", first, first + count, manifest_.samples);
  const auto number = static_cast<size_t>(std::upper_bound(first_samples_.begin(), first_samples_.end(), first) - first_samples_.begin() - 1);
  const int64_t row = first - first_samples_[number];
  return {number, row, std::min(count, manifest_.shards[number].samples - row)};
}

std::vector<int32_t> Dataset::read_classes(int64_t first, int64_t count) {
  if (!manifest_.classes) throw Error(Fault::bug, "the data set {} has no classes", folder_.string());
  std::vector<int32_t> labels;
  while (count > 0) {
    const auto [number, row, rows] = part_of(first, count);
    labels.resize(labels.size() + static_cast<size_t>(rows));
    auto* to = &labels[labels.size() - static_cast<size_t>(rows)];
    thread_.run(storage::Priority::read, [&, number = number, row = row, rows = rows] { shard(number).labels->read_rows(row, rows, to); });
    first += rows;
    count -= rows;
  }
  return labels;
}

void Dataset::read(int64_t first, int64_t count, uint8_t* samples, uint8_t* labels) {
  while (count > 0) {
    const auto [number, row, rows] = part_of(first, count);
    thread_.run(storage::Priority::read, [&, number = number, row = row, rows = rows] {
      auto& open = shard(number);
      open.samples.read_rows(row, rows, samples);
      if (manifest_.is_points()) check_finite(reinterpret_cast<const float*>(samples), row, rows, open.file.path());
      if (labels && open.labels) open.labels->read_rows(row, rows, labels);
    });
    samples += rows * sample_bytes();
    if (labels) labels += rows * label_bytes();
    first += rows;
    count -= rows;
  }
}

void verify(const std::filesystem::path& folder) {
  for (const auto& shard : read_manifest(folder).shards) {
    const auto path = folder / shard.file;
    check_size(path, shard.bytes);
    const auto found = storage::sha256_file(path);
    if (found != shard.sha256) throw unfit(path, fmt::format("its SHA-256 is {}, not {}", found, shard.sha256));
  }
}

}  // namespace ganymede::data
