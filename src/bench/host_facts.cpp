#include "bench/host_facts.hpp"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "comm/mpi_communicator.hpp"
#include "core/version.hpp"
#include "storage/sha256.hpp"

namespace ganymede::bench {
namespace {

std::vector<int64_t> own_cores() {
  std::vector<int64_t> cores;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cores;
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  return cores;
}

// The value of the first line "KEY : VALUE" in a file of /proc.
std::string value_in(const char* file, std::initializer_list<std::string_view> keys) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    const auto key = std::string_view(line).substr(0, line.find_last_not_of(" \t", colon - 1) + 1);
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) continue;
    const auto begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

// Those that libraries choose their kernels by, on x86 and Arm.
std::vector<std::string> kernel_features() {
  constexpr std::string_view families[] = {"sse4", "avx", "amx", "fma", "f16c", "bmi", "asimd", "sve", "bf16", "i8mm", "fphp"};
  std::istringstream words(value_in("/proc/cpuinfo", {"flags", "Features"}));
  std::vector<std::string> features;
  for (std::string word; words >> word;)
    if (std::any_of(std::begin(families), std::end(families), [&](std::string_view family) { return word.starts_with(family); })) features.push_back(word);
  std::sort(features.begin(), features.end());
  return features;
}

int64_t soft_limit(int resource) {
  rlimit limit{};
  getrlimit(static_cast<__rlimit_resource>(resource), &limit);
  return limit.rlim_cur == RLIM_INFINITY ? -1 : static_cast<int64_t>(limit.rlim_cur);
}

int64_t bytes_in_meminfo(const char* key) { return std::atoll(value_in("/proc/meminfo", {key}).c_str()) * 1024; }

}  // namespace

HostFacts own_facts(const std::string& host) {
  HostFacts facts;
  facts.host = host, facts.pid = getpid();
  facts.cores = own_cores(), facts.threads = at::get_num_threads();
  facts.processor = value_in("/proc/cpuinfo", {"model name", "CPU implementer"});
  facts.capability = at::get_cpu_capability();
  facts.features = kernel_features();
  facts.program = fmt::format("ganymede {} (revision {})", program_version(), source_revision());
  facts.program_sha256 = storage::sha256_of_program();
  for (const auto& [name, version] : library_versions()) facts.libraries[name] = version;
  facts.libraries["MPI at run time"] = comm::mpi_version();
  facts.libraries["OpenMP"] = at::get_openmp_version();
  facts.libraries["oneDNN"] = at::get_mkldnn_version();
  facts.limits = {{"open files", soft_limit(RLIMIT_NOFILE)}, {"locked memory", soft_limit(RLIMIT_MEMLOCK)}, {"stack", soft_limit(RLIMIT_STACK)},
                  {"processes", soft_limit(RLIMIT_NPROC)},   {"address space", soft_limit(RLIMIT_AS)},      {"core file", soft_limit(RLIMIT_CORE)}};
  struct statvfs shm {};
  if (statvfs("/dev/shm", &shm) == 0) {
    facts.shared_memory_bytes = static_cast<int64_t>(shm.f_blocks * shm.f_frsize);
    facts.shared_memory_free_bytes = static_cast<int64_t>(shm.f_bavail * shm.f_frsize);
  }
  facts.memory_bytes = bytes_in_meminfo("MemTotal"), facts.memory_available_bytes = bytes_in_meminfo("MemAvailable");
  facts.gpus = at::Context::hasCUDA() ? fmt::format("{} visible", at::detail::getCUDAHooks().deviceCount()) : "not built with CUDA";
  return facts;
}

}  // namespace ganymede::bench
