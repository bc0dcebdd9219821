// ganymede doctor: can these ranks train together, and who would hold them up?
#include <cstdio>

#include "bench/doctor.hpp"
#include "bench/samples.hpp"
#include "cli/measurement.hpp"
#include "cli/preflight.hpp"
#include "core/log.hpp"

namespace ganymede::cli {
namespace {

using bench::Finding;

struct Options {
  std::string folder = "runs", json;
  int ranks = 0;
};

const char* word_for(Finding::Kind kind) {
  switch (kind) {
    case Finding::Kind::fine: return "ok";
    case Finding::Kind::warning: return "warning";
    case Finding::Kind::failure: return "failed";
  }
  return "unknown";
}

Json record_of(const bench::Examination& e, const std::vector<Finding>& findings, Json record) {
  record["folder"] = e.folder;
  for (const char* list : {"results", "pairs", "all_reduce", "findings"}) record[list] = Json::array();
  for (size_t r = 0; r < e.ranks.size(); ++r) {
    const auto& disk = e.disks[r];
    Json one = {{"rank", r}};
    one.update(Json(nlohmann::json(e.ranks[r])));
    one["gflop_per_s"] = e.products[r].gflop_per_s, one["product_sha256"] = e.products[r].sha256, one["product_repeats"] = e.products[r].repeats;
    one["clock_offset_ms"] = e.clocks[r].offset_ms, one["clock_within_ms"] = e.clocks[r].within_ms;
    if (disk.write_mib_per_s > 0) one["disk"] = {{"write_mib_per_s", disk.write_mib_per_s}, {"fsync_ms", disk.fsync_ms}, {"free_bytes", disk.free_bytes}};
    if (!disk.failure.empty()) one["disk_failure"] = disk.failure;
    record["results"].push_back(std::move(one));
  }
  for (const auto& pair : e.pairs) record["pairs"].push_back({{"a", pair.a}, {"b", pair.b}, {"gb_per_s", pair.gb_per_s}, {"latency_us", pair.latency_us}});
  for (const auto& one : e.all_reduces) record["all_reduce"].push_back({{"size", one.size}, {"time", one.time_us}, {"bus_bw", one.bus_gb_per_s}});
  for (const auto& finding : findings) record["findings"].push_back({{"kind", word_for(finding.kind)}, {"check", finding.check}, {"text", finding.text}});
  return record;
}

}  // namespace

int preflight(const std::filesystem::path& folder, bool brief, const std::string& json, const Program& program, comm::Communicator& communicator) {
  const auto start = bench::Clock::now();
  const auto examination = bench::examine(folder, communicator);
  const auto findings = bench::judge(examination);
  const int code = bench::exit_code_of(findings);
  if (communicator.rank() != 0) return code;
  const double seconds = bench::us_since(start) / 1e6;
  int warnings = 0, failures = 0;
  for (const auto& finding : findings) {
    warnings += finding.kind == Finding::Kind::warning, failures += finding.kind == Finding::Kind::failure;
    const auto line = fmt::format("{:<8} {:<10} {}", word_for(finding.kind), finding.check, finding.text);
    if (brief && finding.kind == Finding::Kind::warning) log::warning("preflight: {}: {}", finding.check, finding.text);
    if (brief && finding.kind == Finding::Kind::failure) log::error("preflight: {}: {}", finding.check, finding.text);
    if (!brief && json != "-") std::printf("%s\n", line.c_str());
  }
  const auto summary = fmt::format("{} ranks, {} failed, {} warnings, {:.1f} s", communicator.size(), failures, warnings, seconds);
  if (brief) log::info("preflight: {}", summary);
  if (!brief && json != "-") std::printf("doctor: %s\n", summary.c_str());
  std::fflush(stdout);
  if (json.empty()) return code;
  Json record = record_of(examination, findings, measurement("doctor", program, communicator));
  record["seconds"] = seconds, record["exit_code"] = code;
  write_json(json, record);
  return code;
}

void add_doctor(CLI::App& app, Program& program) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("doctor", "check, in half a minute, that the ranks of a job can train together, and name what is slow or differs");
  command->add_option("--out", options->folder, "the folder of runs to try")->capture_default_str();
  command->add_option("--ranks", options->ranks, "start that many ranks on this host")->check(CLI::Range(1, 4096));
  command->add_option("--json", options->json, "write one JSON object to this file; - for standard output, instead of the lines");
  command->footer("Examples:\n  ganymede doctor --ranks 2\n  mpirun -np 4 --host node1,node2 ganymede doctor --json build/doctor.json\n"
                  "Ends with 0, 69 (the ranks would not train the same), 73 (the folder cannot be written) or 76 (a rank does not answer).");
  command->callback([options, &program] {
    program.action = [options, &program] {
      return on_ranks(options->ranks, program, [&] {
        return with_ranks([&](comm::Communicator& communicator) { return preflight(options->folder, false, options->json, program, communicator); });
      });
    };
  });
}

}  // namespace ganymede::cli
