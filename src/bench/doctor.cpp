// What doctor measures.
#include "bench/doctor.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "bench/comm_bench.hpp"
#include "core/log.hpp"
#include "storage/sha256.hpp"

namespace ganymede::bench {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ProductReading, gflop_per_s, sha256, repeats)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(DiskReading, failure, free_bytes, write_mib_per_s, fsync_ms)

namespace {

std::string hash_of(const at::Tensor& tensor) {
  const auto plain = tensor.contiguous();
  return storage::sha256_text({static_cast<const char*>(plain.const_data_ptr()), plain.nbytes()});
}

// The same numbers everywhere, without a generator whose kernels differ from processor to processor: exact in float32.
at::Tensor numbers(at::IntArrayRef shape, int64_t seed) {
  const auto whole = at::arange(c10::multiply_integers(shape), at::kLong) * 7919 + seed;
  return (whole.remainder(2039).to(at::kFloat) / 1024.0 - 1.0).view(shape);
}

ProductReading probe_products() {
  constexpr int64_t side = 768;
  constexpr int tries = 6;
  at::NoGradGuard no_graph;
  const auto left = numbers({side, side}, 1), right = numbers({side, side}, 2);
  const auto pictures = numbers({4, 32, 16, 16}, 3), filters = numbers({64, 32, 4, 4}, 4);
  const auto hash = [&] { return storage::sha256_text(hash_of(at::mm(left, right)) + hash_of(at::conv2d(pictures, filters, {}, 2, 1))); };
  ProductReading reading;
  reading.sha256 = hash();
  double best_us = std::numeric_limits<double>::infinity();
  for (int i = 0; i < tries; ++i) {
    const auto start = Clock::now();
    at::mm(left, right);
    best_us = std::min(best_us, us_since(start));
  }
  reading.gflop_per_s = 2.0 * side * side * side / (best_us * 1e3);
  reading.repeats = hash() == reading.sha256;
  return reading;
}

// Every rank's reading, by way of JSON.
template <typename Reading>
std::vector<Reading> gather(const Reading& own, const char* name, comm::Communicator& communicator, Deadline deadline) {
  std::vector<Reading> all;
  for (const auto& text : communicator.gather_texts(nlohmann::json(own).dump(), name, deadline)) all.push_back(nlohmann::json::parse(text).get<Reading>());
  return all;
}

std::vector<AllReduceReading> probe_all_reduce(comm::Communicator& communicator) {
  std::vector<AllReduceReading> readings;
  for (const auto& [size, iterations] : {std::pair<int64_t, int64_t>{8, 100}, {64 << 10, 50}, {16 << 20, 6}}) {
    CommBenchOptions options;
    options.min_bytes = options.max_bytes = size, options.iterations = iterations, options.warmup = 2;
    bench_comm(options, communicator, [&, s = size](const CommBenchRow& row) {
      const double median = quantile(slowest_of(row.samples_us), .5);
      const double factor = row.alg_bw > 0 ? row.bus_bw / row.alg_bw : 0;
      readings.push_back({s, median, factor * static_cast<double>(row.size) / (median * 1e3)});
      if (row.wrong > 0)
        throw Error(Fault::replica, "all-reduce of {} B: {} elements are not the sums taken in float64", row.size, row.wrong)
            .cause("the memory or the network of one of the hosts changes what goes through it")
            .remedy("run doctor on half of the hosts, then on the other half, to find which");
    });
  }
  return readings;
}

}  // namespace

Examination examine(const std::filesystem::path& folder, comm::Communicator& communicator, double operation_deadline_s) {
  const auto deadline = [&] { return Deadline::in(std::chrono::duration<double>(operation_deadline_s)); };
  const auto say = [&](const char* what) { log::debug("doctor: {}", what); };
  Examination e;
  e.folder = std::filesystem::absolute(folder).lexically_normal().string();
  say("what each rank says of itself");
  e.ranks = gather(own_facts(communicator.hosts()[communicator.rank()]), "facts", communicator, deadline());
  say("products");
  communicator.barrier("products", deadline());
  e.products = gather(probe_products(), "products", communicator, deadline());
  say("disk");
  e.disks = gather(probe_disk(folder, communicator, operation_deadline_s), "disks", communicator, deadline());
  e.clocks.resize(communicator.size());
  if (communicator.size() == 1) return e;
  say("clocks");
  e.clocks = probe_clocks(communicator, operation_deadline_s);
  say("pairs");
  e.pairs = probe_pairs(communicator, 4 << 20, operation_deadline_s);
  say("all-reduce");
  e.all_reduces = probe_all_reduce(communicator);
  return e;
}

}  // namespace ganymede::bench
