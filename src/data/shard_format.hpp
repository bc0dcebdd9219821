// The format of data sets: a folder with manifest.json and shard-00000.h5 …; every name, version and constant of it.
// A shard is plain HDF5: `samples` uint8 [N,H,W,C] (images), [N,T,H,W,C] (video) or float32 [N,F] (points), and, if there are
// classes, `labels` int32 [N] (or uint8 [N,A] for A yes/no attributes). NHWC on disk is channels-last in memory, so nothing
// is ever transposed. Chunks hold whole samples, about 1 MiB: large enough for a disk, small enough for a window of several.
#pragma once
#include <cstdint>
#include <string>

#include <fmt/format.h>

namespace ganymede::data::format {

inline constexpr const char* manifest_file = "manifest.json";
inline constexpr const char* dataset_format = "ganymede-dataset";
inline constexpr const char* shard_format = "ganymede-shard";
inline constexpr int64_t version = 1;

inline constexpr const char* formula_key = "formula";     // of the manifest, optional: formula.hpp
inline constexpr int64_t max_components = int64_t{1} << 16;
inline constexpr int64_t max_formula_numbers = int64_t{1} << 20;  // so that no manifest nears its largest size

inline constexpr const char* samples_name = "samples";
inline constexpr const char* labels_name = "labels";
inline constexpr const char* format_attribute = "format";
inline constexpr const char* version_attribute = "version";
inline constexpr const char* layout_attribute = "layout";
inline constexpr const char* classes_attribute = "classes";  // int64 count

inline constexpr const char* image_type = "image";
inline constexpr const char* video_type = "video";
inline constexpr const char* points_type = "points";

inline constexpr int64_t chunk_bytes = int64_t{1} << 20;
inline constexpr int64_t max_chunks = 4096;  // of a written shard: HDF5 finds a chunk by walking, 24,000 cost 5 s
inline constexpr int64_t default_shard_mib = 512;
inline constexpr int64_t max_manifest_bytes = int64_t{64} << 20;

inline std::string shard_file(int64_t number) { return fmt::format("shard-{:05}.h5", number); }
/// Samples of a chunk as written, and of the stretches that a contiguous data set counts as.
inline int64_t chunk_samples(int64_t sample_bytes) { return (chunk_bytes + sample_bytes - 1) / sample_bytes; }

}  // namespace ganymede::data::format
