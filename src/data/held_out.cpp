#include "data/held_out.hpp"

#include <ATen/ops/arange.h>

#include <limits>

#include "core/error.hpp"
#include "data/synthesis.hpp"

namespace ganymede::data {
namespace {

constexpr int64_t fresh_index = 1;  // of purpose `eval`
constexpr int64_t no_cache = 0;     // a few rows, once in a while

}  // namespace

int64_t held_out_count(const Dataset& dataset, const DataConfig& config) {
  const bool has_formula = dataset.manifest().mixture || dataset.manifest().stacked;
  return config.holdout > 0 || !has_formula ? config.holdout : std::numeric_limits<int64_t>::max();
}

Batch held_out(Dataset& dataset, const DataConfig& config, const Rng& rng, int64_t step, int64_t first, int64_t count) {
  if (first < 0 || count < 0) throw Error(Fault::bug, "held-out samples {} to {}", first, first + count);
  if (first > held_out_count(dataset, config) - count)
    throw Error(Fault::recipe, "data.holdout = {} holds too few samples out: a check needs {}", config.holdout, first + count)
        .cause("it compares with real samples that training never sees")
        .remedy("set data.holdout to {} or more", first + count);
  Batch batch = empty_batch(dataset.manifest(), count);
  batch.first_place = first;
  batch.global_batch = count;
  if (config.holdout > 0) {
    const int64_t from = dataset.samples() - config.holdout + first;
    auto* labels = batch.labels.defined() ? static_cast<uint8_t*>(batch.labels.mutable_data_ptr()) : nullptr;
    dataset.read(from, count, static_cast<uint8_t*>(batch.samples.mutable_data_ptr()), labels);
    at::arange_out(batch.real_index, from, from + count, 1);
  } else {
    make_synthesis(dataset, no_cache)->fill(rng, {.purpose = Purpose::eval, .step = step, .index = fresh_index}, batch);
  }
  return batch;
}

}  // namespace ganymede::data
