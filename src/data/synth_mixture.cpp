#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/rng.hpp"
#include "data/build.hpp"
#include "data/dataset_writer.hpp"
#include "storage/files.hpp"

namespace ganymede::data {
namespace {

constexpr int64_t points_at_once = int64_t{1} << 16;
constexpr int64_t max_samples = int64_t{1} << 31;
constexpr double reach = 7.0;       // Box–Muller of 32-bit uniforms stays below 6.8 deviations
constexpr double largest = 1e15;    // keeps every number of the formula below what its reader takes
constexpr int64_t order_index = 3;  // of purpose `data`: orders of rows

void check(const MixtureOptions& options, const Mixture& mixture) {
  if (options.samples < 1 || options.samples > max_samples)
    throw Error(Fault::usage, "--samples {}: must be between 1 and {}", options.samples, max_samples);
  if (options.shard_mib < 1) throw Error(Fault::usage, "--shard-mib {}: must be at least 1", options.shard_mib);
  if (!(options.scale >= 1 / largest && options.scale <= largest))
    throw Error(Fault::usage, "--scale {}: must be above 0 and finite", options.scale);
  if (options.balanced && options.samples % mixture.components() != 0)
    throw Error(Fault::usage, "--balanced needs as many points of each of {} components: --samples {} does not divide",
                mixture.components(), options.samples)
        .remedy("--samples {}", std::max<int64_t>(1, options.samples / mixture.components()) * mixture.components());
  for (size_t k = 0; k < mixture.centres.size(); ++k)
    for (const double value : mixture.centres[k])
      if (!(std::abs(value) + reach * mixture.sd[k] < largest))
        throw Error(Fault::usage, "a component at {} with standard deviation {} is out of reach", value, mixture.sd[k])
            .remedy("keep every length below {}", largest);
}

Manifest describe(const std::string& name, const Mixture& mixture, const MixtureOptions& options) {
  Manifest out;
  out.type = format::points_type;
  out.shape = {mixture.dims()};
  out.dtype = "float32";
  out.samples = options.samples;
  out.classes.emplace();
  for (int64_t k = 0; k < mixture.components(); ++k) out.classes->push_back(fmt::format("mode {}", k));
  out.range_low = largest, out.range_high = -largest;
  for (size_t k = 0; k < mixture.centres.size(); ++k)
    for (const double value : mixture.centres[k]) {
      out.range_low = std::min(out.range_low, value - reach * mixture.sd[k]);
      out.range_high = std::max(out.range_high, value + reach * mixture.sd[k]);
    }
  out.source = name;
  if (options.scale != 1.0) out.source += fmt::format(", all divided by {}", options.scale);
  if (options.balanced) out.source += ", equally many points of each";
  out.source += fmt::format(", seed {}", options.seed);
  out.mixture = mixture;
  return out;
}

}  // namespace

Manifest synth_mixture(const NamedMixture& named, const MixtureOptions& options, storage::Hdf5Thread& thread) {
  const Mixture mixture = named.mixture.divided_by(options.scale);
  check(options, mixture);
  storage::remove_stale_pending(options.output.has_parent_path() ? options.output.parent_path() : ".", options.output.filename().string());
  const Rng rng(options.seed);
  const Draw draw{.purpose = Purpose::data};
  std::vector<int64_t> order;
  if (options.balanced) order = rng.permutation(options.samples, 0, 0, Rng::last_word({.purpose = Purpose::data, .index = order_index}));

  storage::PendingFolder pending(options.output);
  DatasetWriter writer(thread, pending.path(), describe(named.name, mixture, options), options.shard_mib);
  const MixturePoints source(mixture);
  for (int64_t first = 0; first < options.samples; first += points_at_once) {
    const int64_t count = std::min(points_at_once, options.samples - first);
    auto components = source.pick(rng, draw, first, count);
    for (int64_t i = 0; options.balanced && i < count; ++i)
      components.mutable_data_ptr<int32_t>()[i] = static_cast<int32_t>(order[first + i] % mixture.components());
    writer.add(source.points(rng, draw, first, components), components);
  }
  auto manifest = writer.finish();
  pending.commit();
  return manifest;
}

}  // namespace ganymede::data
