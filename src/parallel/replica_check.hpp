// Whether all ranks still hold the same run. Each rank hashes its own copy of every tensor that must be equal bit for bit (XXH3, 64 bits
// a tensor) and all compare one hash of these hashes: 8 bytes a rank. Only where it differs the hashes themselves are compared, and the
// tensor and the ranks in the minority are named.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.hpp"

namespace ganymede::parallel {

/// A tensor that every rank holds alike, by its name in files. It shares memory with what it stands for.
struct Replicated {
  std::string name;
  at::Tensor tensor;
};

class ReplicaCheck {
 public:
  /// `tensors` are the same list on every rank, without gaps in memory. Throws Error(Fault::bug) for one with gaps.
  ReplicaCheck(comm::Communicator& communicator, std::vector<Replicated> tensors);

  /// Collective, at the same point of the program on every rank; what is pending there may stay pending, as it is pending everywhere.
  /// `counters` are compared too: whatever is no tensor, as text. Throws Error(Fault::replica) on rank 0 and comm::PeerError on the others,
  /// naming up to `most_named` tensors, each with the ranks and hosts that stand against the majority (with no majority: all of them).
  void check(int64_t step, const std::string& counters, Deadline deadline);
  static constexpr size_t most_named = 8;

  int64_t bytes() const;  // hashed in each check, of tensors

 private:
  [[noreturn]] void report(int64_t step, Deadline deadline) const;
  comm::Communicator& communicator_;
  std::vector<Replicated> tensors_;
  at::Tensor hashes_;               // int64, a tensor each, then the counters
  int64_t last_agreed_step_ = -1;  // of an earlier check
};

}  // namespace ganymede::parallel
