// How one rank's failure reaches all others: its text and exit code go to every rank on a tag of their own, and each answers, so
// that the failing rank knows when it may leave.
#pragma once
#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/transport.hpp"
#include "core/error.hpp"

namespace ganymede::comm {

/// Only the communication thread calls it.
class FailureRelay {
 public:
  explicit FailureRelay(Transport& transport);
  /// Looks for messages. True if there was one. Throws what the transport throws.
  bool step();
  /// The first failure heard of, once.
  std::optional<Error> take_heard();
  /// Begins to tell all others.
  void tell(int exit_code, const std::string& text);
  bool is_telling() const { return is_telling_; }
  /// All others have answered.
  bool is_told() const { return is_telling_ && answers_ == transport_.size() - 1; }
  /// Takes the posted receive back.
  void close();

 private:
  struct Message {
    enum class Kind : int32_t { failure, answer };
    Kind kind = Kind::failure;
    int32_t rank = 0;
    int32_t exit_code = 0;
    std::array<char, 4000> text{};
  };
  void post_receive();
  void send(int peer, const Message& message);

  Transport& transport_;
  std::unique_ptr<Message> incoming_ = std::make_unique<Message>();
  std::optional<Ticket> receive_;
  struct Sent {
    Ticket ticket;
    std::unique_ptr<Message> message;
  };
  std::vector<Sent> sent_;
  std::optional<Error> heard_;
  bool is_telling_ = false;
  int answers_ = 0;
};

}  // namespace ganymede::comm
