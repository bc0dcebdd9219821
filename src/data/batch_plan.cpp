#include "data/batch_plan.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "data/sampling_rules.hpp"

namespace ganymede::data {
namespace {

constexpr int64_t most_streams = int64_t{1} << 20;
constexpr int64_t largest_batch = int64_t{1} << 31;  // a place in the batch is a 32-bit counter word

int64_t positive(const char* key, int64_t value) {
  if (value < 1 || value > largest_batch) throw Error(Fault::recipe, "data.{} = {}: must be between 1 and {}", key, value, largest_batch);
  return value;
}

}  // namespace

std::vector<int64_t> BatchPlan::starts(int64_t drawn) const {
  std::vector<int64_t> places{0};
  for (int64_t r = 0, place = 0; r < world_size; ++r) {
    for (int64_t v = first_stream(r); v < first_stream(r + 1); ++v) place += count(v, drawn);
    places.push_back(place);
  }
  return places;
}

int64_t BatchPlan::first_place(int64_t stream, int64_t drawn) const {
  int64_t place = 0;
  for (int64_t v = 0; v < stream; ++v) place += count(v, drawn);
  return place;
}

BatchPlan resolve_plan(const DataConfig& config, int64_t world_size, int64_t rank) {
  if (world_size < 1 || rank < 0 || rank >= world_size) throw Error(Fault::bug, "rank {} of {}", rank, world_size);
  if (config.global_batch && config.batch_per_rank)
    throw Error(Fault::recipe, "data.global_batch and data.batch_per_rank exclude each other").remedy("give one of them");
  if (!config.global_batch && !config.batch_per_rank)
    throw Error(Fault::recipe, "neither data.global_batch nor data.batch_per_rank is given")
        .remedy("say how many samples a step has, for example global_batch = 64 in [data]");
  BatchPlan plan{.world_size = world_size, .rank = rank};
  if (config.global_batch) {
    plan.global_batch = positive("global_batch", *config.global_batch);
    plan.streams = std::min<int64_t>(plan.global_batch, 64);
  } else {
    const int64_t batch = positive("batch_per_rank", *config.batch_per_rank);
    plan.global_batch = world_size * batch;
    plan.streams = world_size * std::min<int64_t>(batch, 16);
  }
  if (config.streams) plan.streams = positive("streams", *config.streams);
  if (plan.global_batch > largest_batch)
    throw Error(Fault::recipe, "data.batch_per_rank on {} ranks makes a batch of {}: at most {}", world_size, plan.global_batch, largest_batch);
  if (plan.streams > most_streams) throw Error(Fault::recipe, "data.streams = {}: at most {}", plan.streams, most_streams);
  if (plan.streams > plan.global_batch)
    throw Error(Fault::recipe, "data.streams = {} is more than the global batch of {}", plan.streams, plan.global_batch)
        .cause("a step takes at least one sample of each stream")
        .remedy("lower data.streams or raise the batch");
  if (world_size > plan.streams)
    throw Error(Fault::recipe, "{} ranks are more than the {} streams (data.streams)", world_size, plan.streams)
        .cause("every rank owns at least one stream")
        .remedy("set data.streams to {} or more (at most the global batch, {}), or start fewer ranks", world_size, plan.global_batch);
  check_sampling(config, plan);
  return plan;
}

BatchPlan resolve_plan(const DataConfig& config, int64_t samples, int64_t world_size, int64_t rank) {
  const auto plan = resolve_plan(config, world_size, rank);
  check_sampling(config, plan, samples);
  return plan;
}

}  // namespace ganymede::data
