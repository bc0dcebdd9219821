// What a rank says of itself and of its host: enough to see that a job is one program on machines of one kind.
#pragma once
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace ganymede::bench {

struct HostFacts {
  std::string host;
  int64_t pid = 0;
  std::vector<int64_t> cores;  // that the process may run on
  int64_t threads = 1;         // that compute
  std::string processor;       // model name
  std::string capability;      // the instruction set that LibTorch chose: "AVX512"
  std::vector<std::string> features;  // of the processor, those that kernels are chosen by
  std::string program;         // version and revision
  std::string program_sha256;  // of the executable file
  std::map<std::string, std::string> libraries;
  std::map<std::string, int64_t> limits;  // soft limits; −1: none
  int64_t shared_memory_bytes = 0, shared_memory_free_bytes = 0;  // /dev/shm; 0 where there is none
  int64_t memory_bytes = 0, memory_available_bytes = 0;
  std::string gpus;  // "not built with CUDA", or what is there
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(HostFacts, host, pid, cores, threads, processor, capability, features, program, program_sha256, libraries, limits,
                                   shared_memory_bytes, shared_memory_free_bytes, memory_bytes, memory_available_bytes, gpus)

HostFacts own_facts(const std::string& host);

}  // namespace ganymede::bench
