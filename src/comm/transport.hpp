// What the engine needs of a network: bytes from one rank to another, without ever blocking.
//
// Only the communication thread calls it. A message is named by (peer, channel, tag); two messages of the same name are matched
// in the order in which they were sent and in which their receives were posted, as in MPI. A span stays valid until its ticket
// has been taken.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "comm/communicator.hpp"

namespace ganymede::comm {

/// A send or a receive under way.
using Ticket = int64_t;
/// As the peer of a receive: whoever sends.
inline constexpr int any_peer = -1;

class Transport {
 public:
  virtual ~Transport() = default;  // never communicates
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Tags go from 0 to this number, exclusive; at least 32,768.
  virtual int64_t tag_count() const = 0;
  virtual Ticket isend(int peer, Channel channel, int tag, std::span<const std::byte> bytes) = 0;
  /// The message may be shorter than `bytes`, not longer.
  virtual Ticket irecv(int peer, Channel channel, int tag, std::span<std::byte> bytes) = 0;
  /// Moves what can move. Throws Error(Fault::peer) if the network reports a failure.
  virtual void progress() = 0;
  /// Once the transfer is done: its bytes, and the ticket is void. Until then: nothing.
  virtual std::optional<int64_t> take_if_done(Ticket ticket) = 0;
  /// Asks for an early end. The ticket has still to be taken, and its memory kept until then.
  virtual void cancel(Ticket ticket) = 0;
  /// The orderly end of all communication; collective.
  virtual void finalize() {}
};

}  // namespace ganymede::comm
