#include "data/manifest.hpp"

#include <numeric>
#include <set>

#include "core/error.hpp"
#include "data/formula.hpp"
#include "data/json_reading.hpp"
#include "data/shard_format.hpp"
#include "storage/files.hpp"
#include "storage/sha256.hpp"

namespace ganymede::data {
namespace {

constexpr size_t max_shape = 4;
constexpr int64_t max_extent = int64_t{1} << 24;

void check_file_name(const JsonReading& reading, const std::string& file) {
  const bool is_bare = !file.empty() && file.front() != '.' && file.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
  if (!is_bare) throw reading.wrong("file", fmt::format("'{}' is no bare name of a file beside the manifest", file));
}

Manifest::Shard read_shard(const Json& json, const std::filesystem::path& path, size_t number) {
  const JsonReading reading(json, path, fmt::format("shards[{}].", number));
  Manifest::Shard shard{reading.get<std::string>("file"), reading.get<int64_t>("samples"), reading.get<int64_t>("bytes"), reading.get<std::string>("sha256")};
  check_file_name(reading, shard.file);
  if (shard.samples < 1) throw reading.wrong("samples", "must be at least 1");
  if (shard.bytes < 1) throw reading.wrong("bytes", "must be at least 1");
  if (shard.sha256.size() != 64 || shard.sha256.find_first_not_of("0123456789abcdef") != std::string::npos)
    throw reading.wrong("sha256", "must be 64 lowercase hexadecimal digits");
  return shard;
}

void check_kind(const JsonReading& reading, const Manifest& manifest) {
  const size_t dims = manifest.type == format::image_type ? 3 : manifest.type == format::video_type ? 4 : manifest.is_points() ? 1 : 0;
  if (dims == 0) throw reading.wrong("type", fmt::format("is '{}', not image, video or points", manifest.type));
  if (manifest.dtype != (manifest.is_points() ? "float32" : "uint8")) throw reading.wrong("dtype", fmt::format("'{}' does not fit type '{}'", manifest.dtype, manifest.type));
  if (manifest.shape.size() != dims || dims > max_shape) throw reading.wrong("shape", fmt::format("must have {} numbers for type '{}'", dims, manifest.type));
  int64_t bytes = 4;
  for (const int64_t extent : manifest.shape)
    if (extent < 1 || extent > max_extent || __builtin_mul_overflow(bytes, extent, &bytes)) throw reading.wrong("shape", "has impossible numbers");
}

void check_sums(const JsonReading& reading, const Manifest& manifest) {
  std::set<std::string> files;
  int64_t samples = 0;
  for (const auto& shard : manifest.shards) {
    if (!files.insert(shard.file).second) throw reading.wrong("shards", fmt::format("name '{}' twice", shard.file));
    if (__builtin_add_overflow(samples, shard.samples, &samples)) throw reading.wrong("shards", "have too many samples");
  }
  if (manifest.samples < 1 || samples != manifest.samples)
    throw reading.wrong("samples", fmt::format("is {}, its shards have {}", manifest.samples, samples));
  if (manifest.classes && manifest.classes->empty()) throw reading.wrong("classes", "is an empty list (null means none)");
  if (manifest.classes && manifest.attributes) throw reading.wrong("attributes", "and classes exclude each other");
  if (!manifest.counts) return;
  if (!manifest.classes || manifest.counts->size() != manifest.classes->size()) throw reading.wrong("counts", "must have one number for each class");
  int64_t counted = 0;
  for (const int64_t count : *manifest.counts)
    if (count < 0 || __builtin_add_overflow(counted, count, &counted)) throw reading.wrong("counts", "has impossible numbers");
  if (counted != manifest.samples) throw reading.wrong("counts", fmt::format("sums to {}, there are {} samples", counted, manifest.samples));
}

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

}  // namespace

std::string Manifest::layout() const { return is_points() ? "NF" : type == format::video_type ? "NTHWC" : "NHWC"; }

int64_t Manifest::sample_bytes() const {
  return std::accumulate(shape.begin(), shape.end(), int64_t{is_points() ? 4 : 1}, std::multiplies<>());
}

Manifest read_manifest(const std::filesystem::path& folder) {
  const auto path = folder / format::manifest_file;
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored))
    throw Error(Fault::bad_data, "{} is no data set", folder.string())
        .cause("there is no {} in it", format::manifest_file)
        .remedy("build one with `ganymede data build SRC {}` or `ganymede data synth KIND {}`", folder.string(), folder.string());
  const std::string text = storage::read_text(path, format::max_manifest_bytes);
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::exception& error) {
    throw Error(Fault::bad_data, "{} is no JSON", path.string()).cause("{}", error.what()).remedy("build the data set again");
  }
  const JsonReading reading(json, path, "");
  if (reading.get<std::string>("format") != format::dataset_format) throw reading.wrong("format", fmt::format("is not '{}'", format::dataset_format));
  if (reading.get<int64_t>("version") != format::version)
    throw Error(Fault::bad_data, "{} has version {}, this program reads version {}", path.string(), reading.get<int64_t>("version"), format::version)
        .cause("another version of ganymede wrote it")
        .remedy("use that version, or build the data set again with this one");
  Manifest manifest;
  manifest.type = reading.get<std::string>("type");
  manifest.shape = reading.get<std::vector<int64_t>>("shape");
  manifest.dtype = reading.get<std::string>("dtype");
  manifest.samples = reading.get<int64_t>("samples");
  manifest.classes = reading.get_or_null<std::vector<std::string>>("classes");
  manifest.attributes = reading.get_or_null<std::vector<std::string>>("attributes");
  manifest.counts = reading.get_or_null<std::vector<int64_t>>("counts");
  const auto range = reading.get<std::vector<double>>("range");
  if (range.size() != 2 || range[0] > range[1]) throw reading.wrong("range", "must be [lowest, highest]");
  manifest.range_low = range[0];
  manifest.range_high = range[1];
  manifest.source = reading.get<std::string>("source");
  const Json& shards = reading.at("shards");
  if (!shards.is_array()) throw reading.wrong("shards", "must be a list");
  for (const auto& shard : shards) manifest.shards.push_back(read_shard(shard, path, manifest.shards.size()));
  check_kind(reading, manifest);
  check_sums(reading, manifest);
  if (reading.has(format::formula_key)) read_formula(reading.below(format::formula_key), manifest);
  manifest.sha256 = storage::sha256_text(text);
  return manifest;
}

void write_manifest(const std::filesystem::path& folder, Manifest& manifest) {
  Json shards = Json::array();
  for (const auto& shard : manifest.shards)
    shards.push_back({{"file", shard.file}, {"samples", shard.samples}, {"bytes", shard.bytes}, {"sha256", shard.sha256}});
  Json json = {{"format", format::dataset_format}, {"version", format::version}, {"type", manifest.type}, {"shape", manifest.shape},
               {"dtype", manifest.dtype}, {"samples", manifest.samples}, {"classes", or_null(manifest.classes)},
               {"attributes", or_null(manifest.attributes)}, {"counts", or_null(manifest.counts)},
               {"range", {manifest.range_low, manifest.range_high}}, {"source", manifest.source}, {"shards", shards}};
  if (auto formula = formula_json(manifest); !formula.is_null()) json[format::formula_key] = std::move(formula);  // no key where there is none
  const std::string text = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  storage::write_file_atomically(folder / format::manifest_file, text);
  manifest.sha256 = storage::sha256_text(text);
}

}  // namespace ganymede::data
