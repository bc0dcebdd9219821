#include "train/start_facts.hpp"

#include <ATen/Parallel.h>
#include <ATen/Version.h>

#include "comm/topology.hpp"
#include "core/loaded_libraries.hpp"
#include "core/version.hpp"
#include "storage/sha256.hpp"

namespace ganymede::train {
namespace {

// "run.seed = 3", a line a key; but for the data's path, which may be another on each host: the manifest is compared when it is open.
std::string recipe_lines(const RunConfig& config) {
  RunConfig copy = config;
  const auto all = sections(copy);
  std::string text;
  for (const auto& section : all) {
    config::Fields fields;
    section.describe(fields);
    for (const auto& field : fields.list()) {
      if (section.name == std::string_view("data") && field.name() == std::string_view("path")) continue;
      const auto value = field.value();
      text += fmt::format("{}.{} = {}\n", section.name, field.name(), value ? config::to_toml(*value) : "unset");
    }
  }
  return text;
}

std::string library_lines() {
  std::string text;
  for (const auto& [name, version] : library_versions()) text += fmt::format("{} {}\n", name, version);
  for (const auto& [name, build] : loaded_libraries()) text += fmt::format("{} {}\n", name, build);
  return text;
}

}  // namespace

std::vector<StartFact> start_facts(const RunConfig& config, std::optional<int64_t> resume_step, int world_size) {
  const auto launcher = comm::launcher_facts();
  const std::string promised = launcher.launcher == comm::LauncherFacts::Launcher::none ? "" : fmt::format(", the launcher says {}", launcher.size);
  return {{"program", fmt::format("{} of SHA-256 {}", source_revision(), storage::sha256_of_program().substr(0, 16))},
          {"libraries", library_lines()},
          {"recipe", recipe_lines(config)},
          {"device", "cpu"},
          {"threads", fmt::format("{} threads", at::get_num_threads())},
          {"number of ranks", fmt::format("{} ranks{}", world_size, promised)},
          {"step to go on from", resume_step ? fmt::format("step {}", *resume_step) : "a new run"}};
}

std::string processor_features() {
  std::string text = at::get_cpu_capability();
#if defined(__x86_64__)
  __builtin_cpu_init();
  const std::pair<const char*, int> features[] = {{"avx", __builtin_cpu_supports("avx")},           {"fma", __builtin_cpu_supports("fma")},
                                                  {"avx2", __builtin_cpu_supports("avx2")},         {"avx512f", __builtin_cpu_supports("avx512f")},
                                                  {"avx512bw", __builtin_cpu_supports("avx512bw")}, {"avx512vl", __builtin_cpu_supports("avx512vl")},
                                                  {"avx512bf16", __builtin_cpu_supports("avx512bf16")},
                                                  {"avx512vnni", __builtin_cpu_supports("avx512vnni")}};
  text += __builtin_cpu_is("intel") ? ", Intel" : __builtin_cpu_is("amd") ? ", AMD" : "";
  for (const auto& [name, has] : features)
    if (has) text += fmt::format(" {}", name);
#endif
  return text;
}

}  // namespace ganymede::train
