#include "data/dataset_writer.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "data/shard_format.hpp"
#include "storage/files.hpp"
#include "storage/sha256.hpp"

namespace ganymede::data {

using storage::Priority;

DatasetWriter::DatasetWriter(storage::Hdf5Thread& thread, std::filesystem::path folder, Manifest description, int64_t shard_mib)
    : thread_(thread), folder_(std::move(folder)), manifest_(std::move(description)) {
  if (manifest_.samples < 1) throw Error(Fault::bug, "a data set of {} samples", manifest_.samples);
  const int64_t chunk = format::chunk_samples(manifest_.sample_bytes());
  const int64_t chunks = (shard_mib << 20) / (chunk * manifest_.sample_bytes());
  samples_per_shard_ = chunk * std::clamp<int64_t>(chunks, 1, format::max_chunks);
  if (manifest_.classes) manifest_.counts = std::vector<int64_t>(manifest_.classes->size(), 0);
  manifest_.shards.clear();
}

DatasetWriter::~DatasetWriter() {
  if (!file_) return;
  thread_.run(Priority::write, [this] {
    samples_.reset();
    labels_.reset();
    file_.reset();
  });
}

void DatasetWriter::add(const at::Tensor& samples, const at::Tensor& labels) {
  const int64_t count = samples.size(0);
  auto expected = manifest_.shape;
  expected.insert(expected.begin(), count);
  if (samples.sizes() != at::IntArrayRef(expected) || labels.defined() != manifest_.classes.has_value() || done_ + count > manifest_.samples)
    throw Error(Fault::bug, "samples do not fit the description of the data set in {}", folder_.string());
  if (labels.defined()) count_labels(labels);
  const auto rows = samples.contiguous(), row_labels = labels.defined() ? labels.contiguous() : labels;
  const auto* bytes = static_cast<const uint8_t*>(rows.const_data_ptr());
  for (int64_t at = 0; at < count;) {
    if (!file_) open_shard();
    const int64_t n = std::min(count - at, rows_ - used_);
    thread_.run(Priority::write, [&] {
      samples_->write_rows(used_, n, bytes + at * manifest_.sample_bytes());
      if (labels_) labels_->write_rows(used_, n, row_labels.const_data_ptr<int32_t>() + at);
    });
    at += n;
    used_ += n;
    done_ += n;
    if (used_ == rows_) close_shard();
  }
}

Manifest DatasetWriter::finish() {
  if (done_ != manifest_.samples) throw Error(Fault::bug, "{} of {} samples were added to {}", done_, manifest_.samples, folder_.string());
  write_manifest(folder_, manifest_);
  return manifest_;
}

void DatasetWriter::open_shard() {
  rows_ = std::min(samples_per_shard_, manifest_.samples - done_);
  used_ = 0;
  const int64_t chunk = std::min(format::chunk_samples(manifest_.sample_bytes()), rows_);
  const int64_t padded_rows = (rows_ + chunk - 1) / chunk * chunk;
  storage::check_space(folder_, padded_rows * manifest_.sample_bytes() + rows_ * int64_t{sizeof(int32_t)});
  const auto path = folder_ / format::shard_file(static_cast<int64_t>(manifest_.shards.size()));
  thread_.run(Priority::write, [&] {
    file_ = storage::File::create(path);
    file_->set_attribute("", format::format_attribute, std::string(format::shard_format));
    file_->set_attribute("", format::version_attribute, format::version);
    file_->set_attribute("", format::layout_attribute, manifest_.layout());
    if (manifest_.classes) file_->set_attribute("", format::classes_attribute, manifest_.class_count());
    auto dims = manifest_.shape;
    dims.insert(dims.begin(), rows_);
    samples_ = file_->create_dataset(format::samples_name, manifest_.is_points() ? at::kFloat : at::kByte, dims, chunk);
    if (manifest_.classes) labels_ = file_->create_dataset(format::labels_name, at::kInt, {rows_});
  });
}

void DatasetWriter::close_shard() {
  const auto path = file_->path();
  thread_.run(Priority::write, [&] {
    samples_.reset();
    labels_.reset();
    file_->close();
    file_.reset();
  });
  manifest_.shards.push_back({.file = path.filename().string(),
                              .samples = rows_,
                              .bytes = static_cast<int64_t>(std::filesystem::file_size(path)),
                              .sha256 = storage::sha256_file(path)});
}

void DatasetWriter::count_labels(const at::Tensor& labels) {
  const auto flat = labels.contiguous();
  const auto* label = flat.const_data_ptr<int32_t>();
  for (int64_t i = 0; i < flat.numel(); ++i) {
    if (label[i] < 0 || label[i] >= manifest_.class_count()) throw Error(Fault::bug, "label {} of {} classes", label[i], manifest_.class_count());
    ++(*manifest_.counts)[label[i]];
  }
}

}  // namespace ganymede::data
