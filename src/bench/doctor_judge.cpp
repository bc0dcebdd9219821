// What doctor makes of what it measured.
#include <algorithm>
#include <cmath>
#include <functional>

#include "bench/doctor.hpp"
#include "bench/samples.hpp"

namespace ganymede::bench {
namespace {

using Kind = Finding::Kind;

constexpr double slow_share = 0.8;         // of the fastest host's rate: below, it holds the others up
constexpr double slow_link_share = 0.5;    // of the median of its like
constexpr double clock_limit_ms = 500;     // times in logs, and time limits, then disagree
constexpr double slow_fsync_ms = 100;
constexpr int64_t least_free_bytes = int64_t{1} << 30;
constexpr int64_t least_shared_memory = 64 << 20;  // a rank: Open MPI's segment and its backing file
constexpr int64_t least_files = 1024;

std::string place(const Examination& e, size_t rank) { return fmt::format("rank {} on {}", rank, e.ranks[rank].host); }

// The first rank whose value is not rank 0's; none: 0.
size_t first_other(const Examination& e, const std::function<std::string(const HostFacts&)>& value) {
  for (size_t r = 1; r < e.ranks.size(); ++r)
    if (value(e.ranks[r]) != value(e.ranks[0])) return r;
  return 0;
}

std::string libraries_text(const HostFacts& facts) {
  std::string text;
  for (const auto& [name, version] : facts.libraries) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, version);
  return text;
}

std::vector<std::string> hosts_in_order(const Examination& e) {
  std::vector<std::string> hosts;
  for (const auto& facts : e.ranks)
    if (std::find(hosts.begin(), hosts.end(), facts.host) == hosts.end()) hosts.push_back(facts.host);
  return hosts;
}

void judge_topology(const Examination& e, std::vector<Finding>& findings) {
  std::string text;
  for (const auto& host : hosts_in_order(e)) {
    std::vector<size_t> ranks;
    std::vector<int64_t> cores;
    int64_t threads = 0;
    for (size_t r = 0; r < e.ranks.size(); ++r) {
      if (e.ranks[r].host != host) continue;
      ranks.push_back(r);
      threads += e.ranks[r].threads;
      cores.insert(cores.end(), e.ranks[r].cores.begin(), e.ranks[r].cores.end());
    }
    std::sort(cores.begin(), cores.end());
    cores.erase(std::unique(cores.begin(), cores.end()), cores.end());
    text += fmt::format("{}{}: {} of {} ranks ({}), {} threads on {} cores", text.empty() ? "" : "; ", host, ranks.size(), e.ranks.size(), fmt::join(ranks, ","), threads, cores.size());
    if (threads > static_cast<int64_t>(cores.size()) && !cores.empty())
      findings.push_back({Kind::warning, "cores", fmt::format("{}: {} ranks compute with {} threads on {} cores; start fewer, or set OMP_NUM_THREADS", host, ranks.size(), threads, cores.size())});
  }
  findings.insert(findings.begin(), {Kind::fine, "topology", text});
}

void judge_versions(const Examination& e, std::vector<Finding>& findings) {
  const auto compare = [&](const char* what, const std::function<std::string(const HostFacts&)>& value) {
    const size_t other = first_other(e, value);
    if (other == 0) return true;
    findings.push_back({Kind::failure, "versions", fmt::format("{} has {} {}, {} has {}", place(e, 0), what, value(e.ranks[0]), place(e, other), value(e.ranks[other]))});
    return false;
  };
  bool same = compare("the program", [](const HostFacts& f) { return f.program; });
  same = same && compare("an executable of SHA-256", [](const HostFacts& f) { return f.program_sha256; });
  same = compare("libraries", libraries_text) && same;
  if (same) findings.push_back({Kind::fine, "versions", fmt::format("{} and its libraries are the same on all ranks", e.ranks[0].program)});
}

// A mixed set of processors computes with kernels of its own on each kind: the replicas' bits part.
void judge_processors(const Examination& e, std::vector<Finding>& findings) {
  bool same = true;
  const auto warn = [&](size_t rank, const std::string& what) {
    same = false;
    findings.push_back({Kind::warning, "processors", fmt::format("a mixed set: {} {}, unlike {}", place(e, rank), what, place(e, 0))});
  };
  for (size_t r = 1; r < e.ranks.size(); ++r) {
    const auto &ours = e.ranks[0], &theirs = e.ranks[r];
    std::vector<std::string> lacks, has;
    std::set_difference(ours.features.begin(), ours.features.end(), theirs.features.begin(), theirs.features.end(), std::back_inserter(lacks));
    std::set_difference(theirs.features.begin(), theirs.features.end(), ours.features.begin(), ours.features.end(), std::back_inserter(has));
    if (ours.capability != theirs.capability) warn(r, fmt::format("uses LibTorch's {} kernels where {} are used", theirs.capability, ours.capability));
    if (!lacks.empty() || !has.empty())
      warn(r, fmt::format("({}) lacks [{}] and has [{}]", theirs.processor, fmt::join(lacks, " "), fmt::join(has, " ")));
    else if (ours.processor != theirs.processor)
      warn(r, fmt::format("is a {}, with the same instructions as {}", theirs.processor, ours.processor));
  }
  if (same) findings.push_back({Kind::fine, "processors", fmt::format("{}, LibTorch's {} kernels, on all ranks", e.ranks[0].processor, e.ranks[0].capability)});
  const size_t other = first_other(e, [](const HostFacts& f) { return std::to_string(f.threads); });
  if (other > 0)
    findings.push_back({Kind::failure, "threads", fmt::format("{} computes with {} threads, {} with {}: their sums round differently, and the replicas part; set OMP_NUM_THREADS",
                                                                place(e, 0), e.ranks[0].threads, place(e, other), e.ranks[other].threads)});
}

// A host is as fast as the mean of its ranks, which compute together.
void judge_products(const Examination& e, std::vector<Finding>& findings) {
  const auto hosts = hosts_in_order(e);
  std::vector<double> rates;
  for (const auto& host : hosts) {
    double sum = 0, n = 0;
    for (size_t r = 0; r < e.ranks.size(); ++r)
      if (e.ranks[r].host == host) sum += e.products[r].gflop_per_s, n += 1;
    rates.push_back(sum / n);
  }
  const auto best = std::max_element(rates.begin(), rates.end());
  const auto least = std::min_element(rates.begin(), rates.end());
  findings.push_back({Kind::fine, "speed", fmt::format("{:.1f} to {:.1f} GFLOP/s a rank in float32 products, by hosts", *least, *best)});
  for (size_t h = 0; h < hosts.size(); ++h)
    if (rates[h] < slow_share * *best)
      findings.push_back({Kind::warning, "speed", fmt::format("{} is slow: {:.1f} GFLOP/s a rank, {} has {:.1f}; every step waits for the slowest", hosts[h], rates[h],
                                                                hosts[best - rates.begin()], *best)});
  bool same = true;
  for (size_t r = 0; r < e.products.size(); ++r) {
    if (!e.products[r].repeats)
      same = false, findings.push_back({Kind::failure, "products", fmt::format("{} gets other bits when it computes the same product again: its memory or processor is broken", place(e, r))});
    if (e.products[r].sha256 != e.products[0].sha256)
      same = false, findings.push_back({Kind::failure, "products", fmt::format("{} gets other bits than {} for the same product and convolution; their replicas would part; "
                                                                                 "train on processors of one kind with the same threads", place(e, r), place(e, 0))});
  }
  if (same) findings.push_back({Kind::fine, "products", "a product and a convolution give the same bits on all ranks, twice"});
}

void judge_links(const Examination& e, std::vector<Finding>& findings) {
  for (const bool within_host : {true, false}) {
    std::vector<double> rates;
    const auto is_like = [&](const PairRate& pair) { return (e.ranks[pair.a].host == e.ranks[pair.b].host) == within_host; };
    for (const auto& pair : e.pairs)
      if (is_like(pair)) rates.push_back(pair.gb_per_s);
    if (rates.empty()) continue;
    const double median = quantile(rates, .5);
    const char* where = within_host ? "inside a host" : "between hosts";
    findings.push_back({Kind::fine, "links", fmt::format("{}: {} pairs, {:.2f} to {:.2f} GB/s each way at once", where, rates.size(), *std::min_element(rates.begin(), rates.end()),
                                                           *std::max_element(rates.begin(), rates.end()))});
    for (const auto& pair : e.pairs)
      if (is_like(pair) && pair.gb_per_s < slow_link_share * median)
        findings.push_back({Kind::warning, "links", fmt::format("{} and {}: {:.2f} GB/s, where half of the pairs {} have {:.2f}", place(e, pair.a), place(e, pair.b), pair.gb_per_s, where, median)});
  }
  for (const auto& reading : e.all_reduces)
    findings.push_back({Kind::fine, "all-reduce", fmt::format("{} B: {:.1f} us, bus bandwidth {:.2f} GB/s", reading.size, reading.time_us, reading.bus_gb_per_s)});
}

void judge_clocks(const Examination& e, std::vector<Finding>& findings) {
  double most = 0, within = 0;
  for (size_t r = 1; r < e.clocks.size(); ++r) {
    most = std::max(most, std::abs(e.clocks[r].offset_ms)), within = std::max(within, e.clocks[r].within_ms);
    if (std::abs(e.clocks[r].offset_ms) > clock_limit_ms + e.clocks[r].within_ms)
      findings.push_back({Kind::warning, "clocks", fmt::format("the clock of {} is {:+.0f} ms off that of {}; set it by NTP, or logs mislead", place(e, r), e.clocks[r].offset_ms, place(e, 0))});
  }
  if (e.clocks.size() > 1) findings.push_back({Kind::fine, "clocks", fmt::format("at most {:.3f} ms apart, known to {:.3f} ms", most, within)});
}

void judge_disks(const Examination& e, std::vector<Finding>& findings) {
  bool usable = true;
  for (size_t r = 0; r < e.disks.size(); ++r) {
    const auto& disk = e.disks[r];
    if (!disk.failure.empty()) {
      usable = false;
      findings.push_back({Kind::failure, "disk", fmt::format("{}: {}", place(e, r), disk.failure), Fault::cannot_write});
    }
    if (disk.write_mib_per_s <= 0) continue;  // another rank of its host measured
    findings.push_back({Kind::fine, "disk", fmt::format("{} from {}: {:.0f} MiB/s written and synced, {:.2f} ms a small fsync, {:.1f} GiB free", e.folder, e.ranks[r].host,
                                                          disk.write_mib_per_s, disk.fsync_ms, static_cast<double>(disk.free_bytes) / (1 << 30))});
    if (disk.free_bytes < least_free_bytes)
      findings.push_back({Kind::warning, "disk", fmt::format("{} has only {:.0f} MiB free", e.folder, static_cast<double>(disk.free_bytes) / (1 << 20))});
    if (disk.fsync_ms > slow_fsync_ms)
      findings.push_back({Kind::warning, "disk", fmt::format("an fsync takes {:.0f} ms from {}: saving will be slow", disk.fsync_ms, e.ranks[r].host)});
  }
  if (!usable) std::erase_if(findings, [](const Finding& f) { return f.check == "disk" && f.kind == Kind::fine; });
}

void judge_limits(const Examination& e, std::vector<Finding>& findings) {
  const size_t before = findings.size();
  for (const auto& host : hosts_in_order(e)) {
    int64_t ranks = 0;
    const HostFacts* first = nullptr;
    for (const auto& facts : e.ranks)
      if (facts.host == host) ++ranks, first = first ? first : &facts;
    if (const int64_t files = first->limits.at("open files"); files >= 0 && files < least_files)
      findings.push_back({Kind::warning, "limits", fmt::format("{}: at most {} open files (ulimit -n); {} and more are usual", host, files, least_files)});
    if (const int64_t space = first->limits.at("address space"); space >= 0)
      findings.push_back({Kind::warning, "limits", fmt::format("{}: the address space is limited to {} MiB (ulimit -v)", host, space >> 20)});
    if (ranks > 1 && first->shared_memory_free_bytes < ranks * least_shared_memory)
      findings.push_back({Kind::warning, "limits", fmt::format("{}: {} MiB free in /dev/shm for {} ranks, {} MiB each are safe; in a container see its --shm-size", host,
                                                                 first->shared_memory_free_bytes >> 20, ranks, least_shared_memory >> 20)});
  }
  const auto& own = e.ranks[0];
  if (findings.size() == before)
    findings.push_back({Kind::fine, "limits", fmt::format("open files {}, /dev/shm {} MiB free, memory {} of {} MiB available on {}", own.limits.at("open files"),
                                                            own.shared_memory_free_bytes >> 20, own.memory_available_bytes >> 20, own.memory_bytes >> 20, own.host)});
  findings.push_back({Kind::fine, "gpus", own.gpus});
}

}  // namespace

std::vector<Finding> judge(const Examination& e) {
  std::vector<Finding> findings;
  judge_topology(e, findings);
  judge_versions(e, findings);
  judge_processors(e, findings);
  judge_products(e, findings);
  judge_links(e, findings);
  judge_clocks(e, findings);
  judge_disks(e, findings);
  judge_limits(e, findings);
  return findings;
}

int exit_code_of(const std::vector<Finding>& findings) {
  for (const auto& finding : findings)
    if (finding.kind == Kind::failure) return static_cast<int>(finding.fault);
  return 0;
}

}  // namespace ganymede::bench
