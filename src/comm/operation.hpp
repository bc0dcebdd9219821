// An operation as the communication thread sees it: a small state machine that is stepped until nothing of it moves any more.
//
// Between each pair of ranks that take part, an operation begins with an opening message: what is called, with how many bytes,
// and the payload itself where it is small. Receives of larger payloads are posted only once the peer's opening fits ours, so
// that a mismatch is an error with both names instead of a hang or mixed-up bytes.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/transport.hpp"
#include "core/deadline.hpp"
#include "core/error.hpp"

namespace ganymede::comm {

inline constexpr int64_t piece_bytes_limit = 256 * 1024;  // larger ones let a statistic wait too long behind them
inline constexpr int64_t inline_bytes_limit = 16 * 1024;  // payload that travels in the opening message
inline constexpr int pieces_in_flight = 4;                // to or from one peer, per direction

enum class OperationKind : uint16_t { all_reduce, all_gather, broadcast, exchange, barrier, gather_texts };
const char* kind_name(OperationKind kind);
/// "all_reduce 'discriminator bucket 2' (4.0 MiB of Float)"; type -1: none.
std::string describe_call(OperationKind kind, const std::string& name, int64_t bytes, int16_t type);

/// The ranks of one communicator. Constant once the communicator exists, but for `hosts`, which the main thread fills at the start.
struct Group {
  int context = 0;               // makes tags of different communicators differ
  std::vector<int> world_ranks;  // of each rank of this group
  int own = 0;                   // our rank within the group
  std::vector<std::string> hosts;
  int size() const { return static_cast<int>(world_ranks.size()); }
};

struct OperationInfo {
  OperationKind kind = OperationKind::barrier;
  std::string name;
  Channel channel = Channel::control;
  int64_t bytes = 0;      // of this rank's tensor or text
  uint64_t sequence = 0;  // place among the operations of its group and channel
  Deadline deadline;
  int16_t type = -1;        // at::ScalarType of the tensor, where all ranks must have the same
  bool same_bytes = true;   // whether all ranks must have the same number of bytes
};

/// Transport plus what every transfer needs besides: tags, world ranks and the count of payload bytes.
class Wire {
 public:
  enum class Phase { opening = 0, pieces = 1, results = 2, relay = 3 };
  static constexpr int64_t tags_per_context = 2048;
  explicit Wire(Transport& transport) : transport_(transport) {}
  Transport& transport() { return transport_; }
  Ticket send(const Group& group, const OperationInfo& info, int peer, Phase phase, std::span<const std::byte> bytes, int64_t payload_bytes);
  Ticket receive(const Group& group, const OperationInfo& info, int peer, Phase phase, std::span<std::byte> bytes);
  Traffic traffic() const;

 private:
  Transport& transport_;
  std::array<std::atomic<int64_t>, channel_count> sent_bytes_{};  // read by the main thread
};

/// Transfers of one kind to or from one peer, counted in order.
struct Flow {
  int64_t started = 0;
  int64_t finished = 0;
  std::deque<Ticket> tickets;
  int in_flight() const { return static_cast<int>(tickets.size()); }
  void add(Ticket ticket) {
    tickets.push_back(ticket);
    ++started;
  }
  /// Counts what has finished, in order. True if anything has.
  bool reap(Transport& transport);
};

/// First bytes of the opening message. All ranks run the same program on the same kind of processor (compared at the start).
struct Opening {
  uint32_t magic = 0x47414e59;
  OperationKind kind = OperationKind::barrier;
  int16_t type = -1;
  int64_t bytes = 0;
  uint64_t sequence = 0;
  int64_t inline_bytes = 0;
  char name[48] = {};
};

/// What goes between us and one peer.
struct Lane {
  int peer = 0;                        // rank within the group
  bool sends = false;                  // we send to it
  bool receives = false;               // it sends to us
  std::span<const std::byte> outgoing;
  std::span<std::byte> incoming;       // where its payload goes
  std::string text;                    // or here, if the length is not known before (gather_texts)
  bool is_open = false;                // its opening has come and fits ours
  std::unique_ptr<std::byte[]> opening_out, opening_in;
  Flow openings_out, openings_in, pieces_out, pieces_in, results_out, results_in;
};

class Operation {
 public:
  Operation(std::shared_ptr<const Group> group, OperationInfo info);
  virtual ~Operation() = default;
  const OperationInfo& info() const { return info_; }
  std::string describe() const;
  void set_deadline(Deadline deadline) { info_.deadline = deadline; }  // before submission

  // ---- communication thread ----
  void start(Wire& wire);
  /// Moves on; no new send starts unless may_send. True if anything has moved. Throws Error on a mismatch.
  bool step(Wire& wire, bool may_send);
  /// Nothing is left to move.
  bool is_complete() const;
  /// Writes results that are no plain copies; once, after is_complete().
  virtual void finish() {}
  /// Lets go of tensors and buffers, when nothing moves any more.
  virtual void release_memory();
  /// Every send has at least been started.
  bool has_sent() const;
  /// Whose data is missing: "rank 3 on node4 never arrived"; empty if nothing is.
  std::string missing() const;
  /// World ranks of these.
  std::vector<int> missing_ranks() const;
  Error deadline_error() const;
  /// After a failure: lets transfers end early; memory is kept until is_quiet().
  void abandon(Wire& wire);
  /// Takes what has ended; true once nothing touches our memory any more.
  bool is_quiet(Wire& wire);

  // ---- shared: written by the communication thread under the engine's lock ----
  std::atomic<bool> is_finished{false};
  std::optional<Error> failure;
  bool failed_by_peer = false;

 protected:
  /// The lane to another rank, made if there is none yet.
  Lane& lane(int peer);
  virtual bool step_lane(Wire& wire, Lane& lane, bool may_send) = 0;
  virtual bool step_whole() { return false; }
  virtual bool is_whole_complete() const { return true; }
  virtual bool is_lane_complete(const Lane& lane) const = 0;
  virtual bool has_lane_sent(const Lane& lane) const = 0;
  virtual bool sends_inline() const = 0;
  std::string place(int peer) const;  // "rank 1 on node17"

  std::shared_ptr<const Group> group_;
  OperationInfo info_;
  std::vector<Lane> lanes_;

 private:
  struct Gap {
    int peer;
    const char* what;
  };
  /// Which peers keep the operation from being complete, and how.
  std::vector<Gap> gaps() const;
  void send_opening(Wire& wire, Lane& lane);
  void check_opening(Lane& lane);
};

}  // namespace ganymede::comm
