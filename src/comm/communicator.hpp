// How ranks talk: one interface over a single process (solo), threads of one process (for tests) and MPI processes.
//
// All calls are collective over the communicator, made by the main thread, in the same order on every rank (per channel);
// the work is done by the communication thread. Results are bitwise equal on all ranks, because sums are taken in a fixed tree (sums.hpp).
// Tensors are contiguous and on the CPU. Each operation has a name and a deadline; a peer's failure, a mismatch or a passed
// deadline throws Error with the first failure's own message and code.
#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/deadline.hpp"
#include "core/error.hpp"

namespace ganymede::comm {

/// In order of priority: no new gradient piece starts while a statistic waits.
enum class Channel : int { statistics, control, gradients, replay };
inline constexpr int channel_count = 4;

/// What a job is at. How long an operation may take is learned for each apart: a wait that is normal for a save would hide a hang in a step.
enum class Section : int { set_up, step, save, eval };
inline constexpr int section_count = 4;
const char* section_name(Section section);

/// An operation under way. Copies refer to the same operation; an empty one is done.
class Work {
 public:
  struct Pending {
    virtual ~Pending() = default;
    virtual bool is_done() = 0;
    virtual void wait() = 0;
  };
  Work() = default;
  explicit Work(std::shared_ptr<Pending> pending) : pending_(std::move(pending)) {}
  bool is_done() const { return !pending_ || pending_->is_done(); }
  /// Returns when the result is in the tensor; throws Error if it cannot be.
  void wait() const {
    if (pending_) pending_->wait();
  }

 private:
  std::shared_ptr<Pending> pending_;
};

/// Payload that this rank has handed to the network since the start; the messages' own headers (80 B for each operation and peer)
/// and what a rank keeps for itself are not counted.
struct Traffic {
  std::array<int64_t, channel_count> sent_bytes{};
  int64_t total_bytes() const {
    int64_t sum = 0;
    for (const int64_t bytes : sent_bytes) sum += bytes;
    return sum;
  }
};

class Communicator {
 public:
  virtual ~Communicator() = default;  // frees what is local; never communicates
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Host name of each rank.
  virtual const std::vector<std::string>& hosts() const = 0;
  /// Whether it is the first rank of its process, which speaks for the process (its log, its signals).
  virtual bool leads_process() const { return true; }
  /// "solo", "threads" or "mpi".
  virtual std::string backend() const = 0;

  /// Sum over ranks in place: float32, float64, int64 or bfloat16 (travels as bfloat16, summed in float32, rounded once).
  virtual Work all_reduce_sum_async(at::Tensor tensor, const std::string& name, Deadline deadline, Channel channel) = 0;
  /// [size, …own shape]: every rank's tensor (same shape and type everywhere), in rank order.
  virtual at::Tensor all_gather(const at::Tensor& own, const std::string& name, Deadline deadline, Channel channel = Channel::statistics) = 0;
  virtual void broadcast(at::Tensor tensor, int root, const std::string& name, Deadline deadline, Channel channel = Channel::control) = 0;
  /// Sparse two-sided all-to-all: outgoing[r] goes to rank r (an undefined tensor: nothing); every rank knows from the plan
  /// what arrives, so incoming[r] gives storage of the right size (undefined: nothing comes from r).
  virtual void exchange(const std::vector<at::Tensor>& outgoing, std::vector<at::Tensor>& incoming, const std::string& name, Deadline deadline,
                        Channel channel = Channel::replay) = 0;
  virtual void barrier(const std::string& name, Deadline deadline) = 0;
  /// Every rank's text (lengths may differ), in rank order.
  virtual std::vector<std::string> gather_texts(const std::string& own, const std::string& name, Deadline deadline) = 0;
  /// Ranks of equal color form a new communicator, in order of this one's ranks.
  virtual std::unique_ptr<Communicator> split(int color, const std::string& name, Deadline deadline) = 0;

  /// Tells all other ranks that this one failed, with its message and code, and waits up to 1 s for them to be told.
  /// Their next (or current) call on this communicator throws that Error. Never throws.
  virtual void relay_failure(const Error& error) noexcept = 0;
  /// Throws if another rank has relayed a failure.
  virtual void check_peers() = 0;
  /// From here on operations belong to that section, on every rank alike; at the start it is set_up.
  virtual void enter(Section) {}
  /// From here on an operation's deadline is what those before it teach (ten times the 99th percentile of its section), at least floor_s
  /// and at most its caller's own; a rank that calls nothing for longest_s ends the job.
  virtual void learn_deadlines(double /*floor_s*/, double /*longest_s*/) {}
  virtual Traffic traffic() const = 0;
  /// Ends communication in an orderly way (MPI_Finalize); collective; not called after a failure.
  virtual void shut_down(Deadline deadline) = 0;

  void all_reduce_sum(at::Tensor tensor, const std::string& name, Deadline deadline, Channel channel = Channel::statistics) {
    all_reduce_sum_async(std::move(tensor), name, deadline, channel).wait();
  }
};

/// An Error that came from another rank, already reported here in one line: `main` leaves with its code and does not print it again.
class PeerError : public Error {
 public:
  explicit PeerError(const Error& original) : Error(original) {}
};

}  // namespace ganymede::comm
