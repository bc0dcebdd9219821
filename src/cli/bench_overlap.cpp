// ganymede bench overlap: the columns of OSU's non-blocking collectives for all-reduces behind matrix products.
#include <cstdio>

#include <ATen/Parallel.h>

#include "bench/overlap_bench.hpp"
#include "cli/bench.hpp"
#include "cli/measurement.hpp"
#include "comm/topology.hpp"
#include "core/error.hpp"

namespace ganymede::cli {
namespace {

struct Options {
  bench::OverlapBenchOptions bench;
  std::string json;
  int ranks = 0;
};

// Cores of this rank's that no rank's computation needs: where there is none, the communication thread takes its time from computation.
int spare_cores(const comm::Topology& topology) { return std::max(0, topology.cores - topology.ranks_on_our_cores * at::get_num_threads()); }

Json record_of(const bench::OverlapBenchRow& row) {
  return {{"size", row.size},
          {"overall_us", row.overall_us},
          {"compute_us", row.compute_us},
          {"pure_comm_us", row.pure_us},
          {"overlap_pct", row.overlap_percent},
          {"products", row.products},
          {"nwrong", row.wrong},
          {"overall_samples_us", row.overall_samples_us},
          {"compute_samples_us", row.compute_samples_us},
          {"pure_samples_us", row.pure_samples_us}};
}

int overlap(const Options& options, const Program& program) {
  const auto& o = options.bench;
  return with_ranks([&](comm::Communicator& communicator) {
    const auto topology = find_topology(communicator, Deadline::in(std::chrono::seconds(60)));
    const int spare = spare_cores(topology);
    const bool speaks = communicator.rank() == 0;
    const bool prints = speaks && options.json != "-";
    Json record = measurement("overlap", program, communicator);
    record["spare_cores"] = spare;
    record["config"] = {{"minimum_bytes", o.min_bytes}, {"maximum_bytes", o.max_bytes}, {"bucket_bytes", o.bucket_bytes}, {"iterations", o.iterations},
                        {"warmup_iters", o.warmup}, {"compute_ratio", o.compute_ratio}};
    record["results"] = Json::array();
    if (prints) {
      std::printf("# ganymede bench overlap: all-reduce of gradients behind matrix products, over %s\n", communicator.backend().c_str());
      std::printf("# %d ranks on %zu hosts, %d threads a rank, %d cores, %s\n", communicator.size(),
                  std::set<std::string>(communicator.hosts().begin(), communicator.hosts().end()).size(), at::get_num_threads(), topology.cores,
                  spare > 0 ? fmt::format("{} of them spare", spare).c_str() : "fully used");
      std::printf("# Overall = start + compute + wait; compute is %g times pure comm.; means over ranks of %lld iterations\n", o.compute_ratio, static_cast<long long>(o.iterations));
      if (communicator.size() == 1) std::printf("# one rank has nothing to send: start more with --ranks or mpirun\n");
      std::printf("\n# Datatype: MPI_FLOAT.\n%-10s%18s%18s%18s%18s\n", "# Size", "Overall(us)", "Compute(us)", "Pure Comm.(us)", "Overlap(%)");
    }
    int64_t wrong = 0;
    bench_overlap(o, communicator, [&](const bench::OverlapBenchRow& row) {
      wrong += row.wrong;
      record["results"].push_back(record_of(row));
      if (!prints) return;
      std::printf("%-10lld%18.2f%18.2f%18.2f%18.2f\n", static_cast<long long>(row.size), row.overall_us, row.compute_us, row.pure_us, row.overlap_percent);
      std::fflush(stdout);
    });
    if (speaks && !options.json.empty()) write_json(options.json, record);
    if (wrong > 0) throw Error(Fault::replica, "{} elements of the sums are not what they should be", wrong).remedy("run `ganymede doctor` on the same hosts");
    return 0;
  });
}

}  // namespace

void add_bench_overlap(CLI::App& bench, Program& program) {
  auto options = std::make_shared<Options>();
  auto& o = options->bench;
  auto* command = bench.add_subcommand("overlap", "how much of an all-reduce hides behind computation; the columns of OSU's benchmarks");
  const auto sizes = CLI::Range(int64_t{4}, int64_t{1} << 33);
  command->add_option("--min-bytes", o.min_bytes, "smallest gradient, as 256K")->transform(CLI::AsSizeValue(false))->check(sizes)->default_str("256K");
  command->add_option("--max-bytes", o.max_bytes, "largest gradient, four times as much from row to row")->transform(CLI::AsSizeValue(false))->check(sizes)->default_str("16M");
  command->add_option("--bucket-bytes", o.bucket_bytes, "a gradient leaves in buckets of this size")->transform(CLI::AsSizeValue(false))->check(sizes)->default_str("4M");
  command->add_option("--compute-ratio", o.compute_ratio, "how long the products take, in times of the all-reduce alone")->check(CLI::Range(0.01, 100.0))->capture_default_str();
  command->add_option("--iterations", o.iterations, "timed rounds a size")->check(CLI::Range(1, 1'000'000))->capture_default_str();
  command->add_option("--warmup", o.warmup, "rounds before them")->check(CLI::Range(0, 1'000'000))->capture_default_str();
  add_ranks_and_json(*command, options->ranks, options->json);
  command->footer("Example: ganymede bench overlap --ranks 2 --min-bytes 1M --max-bytes 16M");
  command->callback([options, &program] { 
    program.action = [options, &program] {
      check_sizes(options->bench.min_bytes, options->bench.max_bytes);
      return on_ranks(options->ranks, program, [&] { return overlap(*options, program); });
    };
  });
}

}  // namespace ganymede::cli
