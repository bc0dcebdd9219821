#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.hpp"
#include "core/rng.hpp"
#include "data/build.hpp"
#include "data/dataset_writer.hpp"
#include "storage/files.hpp"

namespace ganymede::data {
namespace {

constexpr int64_t points_at_once = int64_t{1} << 16;
constexpr int64_t max_samples = int64_t{1} << 31;
constexpr int64_t max_modes = 1'000'000;
constexpr int64_t first_normal = 4;  // elements 0..3 are the block that picks the component

void check(const RingOptions& options) {
  if (options.samples < 1 || options.samples > max_samples) throw Error(Fault::usage, "--samples {}: must be between 1 and {}", options.samples, max_samples);
  if (options.modes < 1 || options.modes > max_modes) throw Error(Fault::usage, "--modes {}: must be between 1 and {}", options.modes, max_modes);
  if (!(options.radius >= 0) || !std::isfinite(options.radius)) throw Error(Fault::usage, "--radius {}: must be finite and not negative", options.radius);
  if (!(options.sd >= 0) || !std::isfinite(options.sd)) throw Error(Fault::usage, "--sd {}: must be finite and not negative", options.sd);
  if (options.shard_mib < 1) throw Error(Fault::usage, "--shard-mib {}: must be at least 1", options.shard_mib);
}

std::vector<std::array<double, 2>> centres(const RingOptions& options) {
  std::vector<std::array<double, 2>> list;
  for (int64_t i = 0; i < options.modes; ++i) {
    const double angle = 2.0 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(options.modes);
    list.push_back({options.radius * std::cos(angle), options.radius * std::sin(angle)});
  }
  return list;
}

std::string describe_source(const RingOptions& options, const std::vector<std::array<double, 2>>& centres) {
  std::vector<std::string> places;
  for (const auto& [x, y] : centres) places.push_back(fmt::format("({:.6g}, {:.6g})", x, y));
  return fmt::format("ring of {} Gaussians, radius {}, standard deviation {}, seed {}, centres {}", options.modes, options.radius, options.sd, options.seed,
                     fmt::join(places, " "));
}

}  // namespace

Manifest synth_ring(const RingOptions& options, storage::Hdf5Thread& thread) {
  check(options);
  storage::remove_stale_pending(options.output.has_parent_path() ? options.output.parent_path() : ".", options.output.filename().string());
  const auto places = centres(options);
  const double reach = options.radius + 7.0 * options.sd;  // Box–Muller of 32-bit uniforms stays below 6.8 deviations
  Manifest description{.type = format::points_type, .shape = {2}, .dtype = "float32", .samples = options.samples, .classes = std::vector<std::string>(),
                       .attributes = {}, .counts = {}, .range_low = -reach, .range_high = reach, .source = describe_source(options, places), .shards = {}, .sha256 = {}};
  for (int64_t i = 0; i < options.modes; ++i) description.classes->push_back(fmt::format("mode {}", i));

  storage::PendingFolder pending(options.output);
  DatasetWriter writer(thread, pending.path(), std::move(description), options.shard_mib);
  const Rng rng(options.seed);
  const Draw draw{.purpose = Purpose::data};
  for (int64_t first = 0; first < options.samples; first += points_at_once) {
    const int64_t count = std::min(points_at_once, options.samples - first);
    const auto normals = rng.normal(draw, first, count, first_normal + 2);
    const double* normal = normals.const_data_ptr<double>();
    auto points = at::empty({count, 2}, at::TensorOptions().dtype(at::kFloat));
    auto labels = at::empty({count}, at::TensorOptions().dtype(at::kInt));
    for (int64_t i = 0; i < count; ++i) {
      const uint64_t word = rng.words(draw, first + i, 0)[0];
      const auto mode = static_cast<int32_t>((word * static_cast<uint64_t>(options.modes)) >> 32);
      labels.mutable_data_ptr<int32_t>()[i] = mode;
      for (size_t axis = 0; axis < 2; ++axis)
        points.mutable_data_ptr<float>()[2 * i + static_cast<int64_t>(axis)] =
            static_cast<float>(places[mode][axis] + options.sd * normal[i * (first_normal + 2) + first_normal + static_cast<int64_t>(axis)]);
    }
    writer.add(points, labels);
  }
  auto manifest = writer.finish();
  pending.commit();
  return manifest;
}

}  // namespace ganymede::data
