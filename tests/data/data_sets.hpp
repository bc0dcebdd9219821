// Small data sets for tests, and IDX files with whatever in them.
#pragma once
#include <ATen/ATen.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "data/dataset_writer.hpp"

namespace ganymede::data {

/// n images [5,4,2] whose pixels are a function of their number, labels n mod 3.
inline at::Tensor numbered_images(int64_t n) {
  return (at::arange(n, at::kLong).reshape({n, 1, 1, 1}) * 41 + at::arange(40, at::kLong).reshape({1, 5, 4, 2})).remainder(256).to(at::kByte);
}
inline at::Tensor numbered_labels(int64_t n) { return at::arange(n, at::kLong).remainder(3).to(at::kInt); }

inline Manifest describe_images(int64_t n, bool has_labels) {
  Manifest manifest;
  manifest.type = "image";
  manifest.shape = {5, 4, 2};
  manifest.dtype = "uint8";
  manifest.samples = n;
  if (has_labels) manifest.classes = {"zero", "one", "two"};
  manifest.range_high = 255;
  manifest.source = "a test";
  return manifest;
}

inline Manifest write_numbered(const std::filesystem::path& folder, int64_t n, storage::Hdf5Thread& thread, bool has_labels = true, int64_t shard_mib = 512) {
  std::filesystem::create_directories(folder);
  DatasetWriter writer(thread, folder, describe_images(n, has_labels), shard_mib);
  writer.add(numbered_images(n), has_labels ? numbered_labels(n) : at::Tensor());
  return writer.finish();
}

inline std::string idx_header(uint32_t magic, std::initializer_list<uint32_t> extents) {
  std::string text;
  const auto word = [&](uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 255);
  };
  word(magic);
  for (const uint32_t extent : extents) word(extent);
  return text;
}

inline void write_bytes(const std::filesystem::path& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

inline void write_gzip(const std::filesystem::path& path, const std::string& bytes) {
  gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(file);
}

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace ganymede::data
