#include "train/run_config.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.hpp"
#include "train/compatibility.hpp"

namespace ganymede::train {
namespace {

const config::ExclusiveKeys exclusive_keys = {{"run.steps", "run.images"}, {"data.global_batch", "data.batch_per_rank"}};

template <typename C>
config::Section section(const char* name, C& c) {
  return {name, [&c](config::Fields& fields) { describe(fields, c); }};
}

bool is_unfit_in_names(unsigned char c) { return c <= ' ' || c == 0x7f || c == '/' || c == '\\'; }

// What concerns several keys, or the meaning of one.
void check_together(const config::Source& source, const RunConfig& c, config::Mistakes& mistakes) {
  const auto either = [&](const char* one, const char* other, bool has_one, bool has_other, const char* example) {
    if (has_one && has_other) mistakes.add(source.where(other), fmt::format("{} and {} exclude each other; keep one of them", one, other));
    if (!source.is_set(one) && !source.is_set(other)) mistakes.add("", fmt::format("one of {} and {} must be set, as in `{}`", one, other, example));
  };
  either("run.steps", "run.images", c.run.steps.has_value(), c.run.images.has_value(), "steps = 5000");
  either("data.global_batch", "data.batch_per_rank", c.data.global_batch.has_value(), c.data.batch_per_rank.has_value(), "global_batch = 64");
  if (c.run.name.empty() || c.run.name.size() > 100 || std::any_of(c.run.name.begin(), c.run.name.end(), is_unfit_in_names) || c.run.name.front() == '.')
    mistakes.add(source.where("run.name"), fmt::format("run.name = \"{}\" cannot be part of a folder's name; use at most 100 letters, digits, '-' and '_'", c.run.name));
  for (const auto& finding : refusals(c, std::nullopt)) mistakes.add(source.where(finding.key), fmt::format("{}: {}", finding.key, finding.text));
  for (const auto& mistake : nets::check_networks(c.generator, c.discriminator, c.conditional)) mistakes.add(source.where(mistake.key), mistake.text);
  if (!source.is_set("data.path")) mistakes.add("", "data.path is not set; name the folder that `ganymede data build` wrote");
}

bool may_change_on_resume(const std::string& key) {
  if (key == "run.steps" || key == "run.images") return true;
  for (const char* free : {"log.", "checkpoint.", "parallel."})
    if (key.starts_with(free)) return true;
  return false;
}

}  // namespace

void describe(config::Fields& fields, RunSection& c) {
  using gan::Precision;
  fields.text("name", c.name, "names the run folder");
  fields.integer("seed", c.seed, "all random numbers follow from it");
  fields.integer("steps", c.steps, "iterations of the whole run").at_least(1);
  fields.integer("images", c.images, "instead of steps: reals shown to D in the whole run").at_least(1);
  fields.choice("precision", c.precision, {{"float32", Precision::float32}, {"bf16", Precision::bf16}, {"float64", Precision::float64}},
                "bf16: autocast over float32 weights");
  fields.choice("device", c.device, {{"auto", comm::DeviceRequest::automatic}, {"cpu", comm::DeviceRequest::cpu}, {"cuda", comm::DeviceRequest::cuda}}, "where to compute");
  fields.integer("trace", c.trace, "iterations whose inputs, losses and gradients go to trace.h5").at_least(0);
}

void describe(config::Fields& fields, MonitorConfig& c) {
  using Action = MonitorConfig::Action;
  fields.integer("every_steps", c.every_steps, "iterations between checks for mode collapse; 0 = off").at_least(0);
  fields.integer("samples", c.samples, "fakes of a check, and reals in each of its two sets; even").at_least(64).at_most(1 << 16);
  fields.choice("kernel", c.kernel, {{"gaussian", evaluate::Kernel::gaussian}, {"polynomial", evaluate::Kernel::polynomial}}, "of the two-sample statistic");
  fields.text("classifier", c.classifier, "file of a digit classifier that counts classes too; empty = none");
  fields.choice("action", c.action, {{"log", Action::log}, {"checkpoint", Action::checkpoint}, {"stop", Action::stop}}, "what a collapse leads to");
}

void describe(config::Fields& fields, LogConfig& c) {
  fields.integer("every_steps", c.every_steps, "iterations between rows of stats.jsonl").at_least(1);
  fields.integer("samples_every_steps", c.samples_every_steps, "iterations between sample grids; 0 = never").at_least(0);
}

std::vector<config::Section> sections(RunConfig& c) {
  return {section("run", c.run),
          section("data", c.data),
          section("latent", c.latent),
          section("generator", c.generator),
          section("discriminator", c.discriminator),
          section("conditional", c.conditional),
          section("objective", c.objective),
          section("regularizers", c.regularizers),
          section("tricks", c.tricks),
          section("augment", c.augment),
          section("balance", c.balance),
          section("optimizer.generator", c.generator_optimizer),
          section("optimizer.discriminator", c.discriminator_optimizer),
          section("average", c.average),
          section("parallel", c.parallel),
          section("checkpoint", c.checkpoint),
          section("monitor", c.monitor),
          section("log", c.log)};
}

config::Source load_source(const std::filesystem::path& recipe, const std::vector<std::string>& sets) {
  return config::load(recipe, sets, exclusive_keys);
}

config::Source parse_source(const std::string& text, const std::string& name, const std::vector<std::string>& sets) {
  return config::parse(text, name, sets, exclusive_keys);
}

RunConfig read_config(const config::Source& source) {
  RunConfig c;
  config::read(source, sections(c), [&](config::Mistakes& mistakes) { check_together(source, c, mistakes); });
  return c;
}

std::string print_config(const RunConfig& config) {
  RunConfig copy = config;
  return config::print(sections(copy));
}

int64_t total_steps(const RunConfig& config, int64_t global_batch) {
  const auto& o = config.objective;
  const int64_t per_step = global_batch * o.d_steps;
  const int64_t steps = config.run.steps ? *config.run.steps : (*config.run.images - 1) / per_step + 1;
  if (steps >= most_steps / std::max(o.d_steps, o.g_steps))
    throw Error(Fault::recipe, "{} = {} asks for {} iterations; at most {} steps of a network are possible", config.run.steps ? "run.steps" : "run.images",
                config.run.steps ? *config.run.steps : *config.run.images, steps, most_steps)
        .remedy("ask for fewer; a run can be continued with --resume");
  return steps;
}

RunConfig config_for_resume(const std::string& stored_recipe, const std::vector<std::string>& sets) {
  RunConfig stored = read_config(parse_source(stored_recipe, "the checkpoint's config.toml", {}));
  RunConfig wanted = read_config(parse_source(stored_recipe, "the checkpoint's config.toml", sets));
  std::vector<std::string> fixed;
  for (const auto& key : config::differing_keys(sections(stored), sections(wanted)))
    if (!may_change_on_resume(key)) fixed.push_back(key);
  if (!fixed.empty())
    throw Error(Fault::recipe, "a resumed run keeps its recipe; these keys cannot change: {}", fmt::join(fixed, ", "))
        .remedy("only run.steps, run.images, [log], [checkpoint] and [parallel] may; start a new run for anything else");
  return wanted;
}

}  // namespace ganymede::train
