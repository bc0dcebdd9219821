#include "data/sampling_rules.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace ganymede::data {
namespace {

constexpr int64_t most_rows = int64_t{1} << 32;  // a place of the table is a 32-bit counter word

int64_t members(const DataConfig& config) { return config.table_members.value_or(1); }

void check_streams(int64_t streams, int64_t samples, const char* of_what) {
  if (samples >= 4 * streams) return;
  throw Error(Fault::recipe, "data.streams = {} needs a {} of at least {} samples, this one has {}", streams, of_what, 4 * streams,
              samples)
      .remedy("set data.streams to {} or less", std::max<int64_t>(1, samples / 4));
}

}  // namespace

int64_t table_rows(const DataConfig& config, int64_t samples) { return config.table_rows.value_or(samples - config.holdout); }

int64_t table_streams(const DataConfig& config, const BatchPlan& plan) {
  return std::min(plan.streams, plan.global_batch / members(config));
}

void check_sampling(const DataConfig& config, const BatchPlan& plan) {
  const bool is_synth = config.sampling == Sampling::synth, is_table = config.sampling == Sampling::table;
  const struct {
    bool is_broken;
    const char* rule;
    const char* remedy;
  } rules[] = {
      {config.class_balanced && is_synth, "data.class_balanced has no stored samples to choose from with data.sampling = \"synth\"",
       "leave one of them out"},
      {config.class_balanced && is_table, "data.class_balanced does not go with data.sampling = \"table\", whose rows are fixed",
       "leave one of them out"},
      {!is_table && config.table_rows, "data.table_rows is for data.sampling = \"table\"", "set data.sampling, or leave the key out"},
      {!is_table && config.table_members, "data.table_members is for data.sampling = \"table\"", "set data.sampling, or leave the key out"},
      {is_synth && config.holdout > 0, "data.holdout holds nothing out of data.sampling = \"synth\", whose samples are always new",
       "leave data.holdout out"},
  };
  for (const auto& rule : rules)
    if (rule.is_broken) throw Error(Fault::recipe, "{}", rule.rule).remedy("{}", rule.remedy);
  if (config.holdout < 0) throw Error(Fault::recipe, "data.holdout = {}: must not be negative", config.holdout);
  if (!is_table) return;
  if (members(config) < 1 || plan.global_batch % members(config) != 0)
    throw Error(Fault::recipe, "data.table_members = {} does not divide the global batch of {}", members(config), plan.global_batch)
        .cause("a row of the table gives as many samples, one after the other, and a batch holds whole rows")
        .remedy("make data.global_batch a multiple of data.table_members");
  if (config.table_rows && (*config.table_rows < 1 || *config.table_rows > most_rows))
    throw Error(Fault::recipe, "data.table_rows = {}: must be between 1 and {}", *config.table_rows, most_rows);
}

void check_sampling(const DataConfig& config, const BatchPlan& plan, int64_t samples) {
  if (config.holdout >= samples)
    throw Error(Fault::recipe, "data.holdout = {} leaves nothing of {} samples", config.holdout, samples)
        .remedy("set data.holdout to {} or less", samples - 1);
  if (config.sampling == Sampling::stream && !config.class_balanced) check_streams(plan.streams, samples - config.holdout, "data set");
  if (config.sampling == Sampling::table)
    check_streams(table_streams(config, plan), table_rows(config, samples), "table (data.table_rows)");
}

void check_sampling(const DataConfig& config, const Dataset& dataset) {
  const auto& manifest = dataset.manifest();
  if (config.sampling == Sampling::synth && !manifest.mixture && !manifest.stacked)
    throw Error(Fault::recipe, "data.sampling = \"synth\" needs a formula, and the data set {} has none", dataset.folder().string())
        .cause("only what `ganymede data synth` makes says how it was computed")
        .remedy("make the data set with `ganymede data synth`, or set data.sampling to \"replacement\"");
  if (config.class_balanced && !manifest.classes)
    throw Error(Fault::recipe, "data.class_balanced needs labels, and the data set {} has no classes", dataset.folder().string())
        .remedy("leave the key out, or build the data set with labels");
}

}  // namespace ganymede::data
