// ganymede bench comm: the table of nccl-tests for the operations of the Communicator.
#include <cstdio>

#include "bench/comm_bench.hpp"
#include "cli/bench.hpp"
#include "cli/measurement.hpp"
#include "core/error.hpp"

namespace ganymede::cli {
namespace {

using bench::CommOperation;

struct Options {
  bench::CommBenchOptions bench;
  std::string json;
  int ranks = 0;
};

const std::map<std::string, CommOperation> operations = {{"all_reduce", CommOperation::all_reduce},
                                                         {"all_gather", CommOperation::all_gather},
                                                         {"broadcast", CommOperation::broadcast},
                                                         {"exchange", CommOperation::exchange}};
// By nccl-tests' names for them.
const std::map<std::string, at::ScalarType> types = {{"float", at::kFloat}, {"double", at::kDouble}, {"int64", at::kLong}, {"bfloat16", at::kBFloat16}};

const char* type_name(at::ScalarType type) {
  for (const auto& [name, known] : types)
    if (known == type) return name.c_str();
  return "unknown";
}

const char* reduction_name(CommOperation operation) { return operation == CommOperation::all_reduce ? "sum" : "none"; }
int root_of(CommOperation operation) { return operation == CommOperation::broadcast ? 0 : -1; }

// As many digits as fit, as nccl-tests does.
std::string fitted(double value, int width) {
  for (const int digits : {2, 1, 0})
    if (auto text = fmt::format("{:{}.{}f}", value, width, digits); static_cast<int>(text.size()) <= width) return text;
  return fmt::format("{:{}.{}e}", value, width, width >= 7 ? 1 : 0);
}

void print_head(const Options& options, const comm::Communicator& communicator) {
  const auto& o = options.bench;
  std::printf("# ganymede bench comm: %s over %s\n", name_of(o.operation), communicator.backend().c_str());
  std::printf("# ranks %d minBytes %lld maxBytes %lld step: 2(factor) warmup iters: %lld iters: %lld validation: 1\n#\n# Using ranks\n", communicator.size(),
              static_cast<long long>(o.min_bytes), static_cast<long long>(o.max_bytes), static_cast<long long>(o.warmup), static_cast<long long>(o.iterations));
  for (int r = 0; r < communicator.size(); ++r) std::printf("#  Rank %2d on %10s device cpu\n", r, communicator.hosts()[r].c_str());
  std::printf("#\n# The Communicator offers %s %s: the other columns are N/A. time: the slowest rank's mean.\n#\n", name_of(o.operation),
              is_in_place(o.operation) ? "in place only" : "out of place only");
  std::printf("# %10s  %12s  %8s  %6s  %6s           out-of-place                       in-place          \n", "", "", "", "", "");
  std::printf("# %10s  %12s  %8s  %6s  %6s  %7s  %6s  %6s  %6s  %7s  %6s  %6s  %6s\n", "size", "count", "type", "redop", "root", "time", "algbw", "busbw", "#wrong",
              "time", "algbw", "busbw", "#wrong");
  std::printf("# %10s  %12s  %8s  %6s  %6s  %7s  %6s  %6s  %6s  %7s  %6s  %6s  %6s\n", "(B)", "(elements)", "", "", "", "(us)", "(GB/s)", "(GB/s)", "", "(us)",
              "(GB/s)", "(GB/s)", "");
}

void print_row(const Options& options, const bench::CommBenchRow& row) {
  const auto& o = options.bench;
  const auto measured = fmt::format("  {}  {}  {}  {:6}", fitted(row.time_us, 7), fitted(row.alg_bw, 6), fitted(row.bus_bw, 6), row.wrong);
  const auto none = fmt::format("  {:>7}  {:>6}  {:>6}  {:>6}", "N/A", "N/A", "N/A", "N/A");
  std::printf("%12lld  %12lld  %8s  %6s  %6d%s%s\n", static_cast<long long>(row.size), static_cast<long long>(row.count), type_name(o.type), reduction_name(o.operation),
              root_of(o.operation), (is_in_place(o.operation) ? none : measured).c_str(), (is_in_place(o.operation) ? measured : none).c_str());
  std::fflush(stdout);
}

Json record_of(const Options& options, const bench::CommBenchRow& row) {
  const auto& o = options.bench;
  const Json body = {{"time", row.time_us}, {"alg_bw", row.alg_bw}, {"bus_bw", row.bus_bw}, {"nwrong", row.wrong}};
  const auto slowest = bench::slowest_of(row.samples_us);
  const auto spread = bench::spread_of(slowest);
  const Json per_iteration = {{"min_us", spread.min}, {"max_us", spread.max}, {"avg_us", spread.mean},   {"p50_us", spread.p50},          {"p95_us", spread.p95},
                              {"p99_us", spread.p99}, {"stdev_us", spread.stdev}, {"cv_pct", spread.cv_percent()}, {"times_us", slowest}, {"per_process_times_us", row.samples_us}};
  const bool in_place = is_in_place(o.operation);
  return {{"size", row.size},
          {"count", row.count},
          {"type", type_name(o.type)},
          {"redop", reduction_name(o.operation)},
          {"root", root_of(o.operation)},
          {"out_of_place", in_place ? Json(nullptr) : body},
          {"in_place", in_place ? body : Json(nullptr)},
          {in_place ? "in_place_per_iter" : "out_of_place_per_iter", per_iteration},
          {"t_min", row.fastest_us},
          {"t_avg", row.mean_us},
          {"t_max", row.time_us}};
}

int comm(const Options& options, const Program& program) {
  return with_ranks([&](comm::Communicator& communicator) {
    const bool speaks = communicator.rank() == 0;
    const bool prints = speaks && options.json != "-";
    Json record = measurement("comm", program, communicator);
    const auto& o = options.bench;
    record["config"] = {{"operation", name_of(o.operation)}, {"minimum_bytes", o.min_bytes}, {"maximum_bytes", o.max_bytes}, {"step_factor", 2},
                        {"warmup_iters", o.warmup}, {"iterations", o.iterations}, {"validation", 1}};
    record["devices"] = Json::array();
    for (int r = 0; r < communicator.size(); ++r) record["devices"].push_back({{"rank", r}, {"hostname", communicator.hosts()[r]}, {"device", "cpu"}});
    record["results"] = Json::array();
    if (prints) print_head(options, communicator);
    int64_t wrong = 0;
    double bandwidth = 0;
    bench_comm(o, communicator, [&](const bench::CommBenchRow& row) {
      if (prints) print_row(options, row);
      wrong += row.wrong, bandwidth += row.bus_bw;
      record["results"].push_back(record_of(options, row));
    });
    bandwidth /= static_cast<double>(record["results"].size());
    record["out_of_bounds"] = {{"count", wrong}, {"okay", wrong == 0}};
    record["average_bus_bandwidth"] = {{"bandwidth", bandwidth}};
    if (prints) {
      std::printf("# %-20s : %lld %s\n", "Out of bounds values", static_cast<long long>(wrong), wrong ? "FAILED" : "OK");
      std::printf("# %-20s : %g \n#\n", "Avg bus bandwidth", bandwidth);
      std::fflush(stdout);
    }
    if (speaks && !options.json.empty()) write_json(options.json, record);
    if (wrong > 0) throw Error(Fault::replica, "{}: {} elements are not what they should be", name_of(o.operation), wrong).remedy("run `ganymede doctor` on the same hosts");
    return 0;
  });
}

}  // namespace

void add_bench_comm(CLI::App& bench, Program& program) {
  auto options = std::make_shared<Options>();
  auto* command = bench.add_subcommand("comm", "time an operation between ranks by message size, and check its answers; the columns of nccl-tests");
  auto& o = options->bench;
  command->add_option("--op", o.operation, "all_reduce, all_gather, broadcast or exchange")->transform(CLI::CheckedTransformer(operations))->default_str("all_reduce");
  command->add_option("--min-bytes", o.min_bytes, "smallest size, as 8 or 64K")->transform(CLI::AsSizeValue(false))->check(CLI::Range(int64_t{1}, int64_t{1} << 34))->default_str("8");
  command->add_option("--max-bytes", o.max_bytes, "largest size, as 64M")->transform(CLI::AsSizeValue(false))->check(CLI::Range(int64_t{1}, int64_t{1} << 34))->default_str("64M");
  command->add_option("--iterations", o.iterations, "timed calls a size")->check(CLI::Range(1, 1'000'000))->capture_default_str();
  command->add_option("--warmup", o.warmup, "calls before them")->check(CLI::Range(0, 1'000'000))->capture_default_str();
  command->add_option("--dtype", o.type, "float, double, int64 or bfloat16")->transform(CLI::CheckedTransformer(types))->default_str("float");
  add_ranks_and_json(*command, options->ranks, options->json);
  command->footer("Example: ganymede bench comm --ranks 2 --op all_reduce --min-bytes 8 --max-bytes 64M --json build/comm.json");
  command->callback([options, &program] { 
    program.action = [options, &program] {
      check_sizes(options->bench.min_bytes, options->bench.max_bytes);
      return on_ranks(options->ranks, program, [&] { return comm(*options, program); });
    };
  });
}

}  // namespace ganymede::cli
