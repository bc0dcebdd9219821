// How one rank's failure reaches all others: its text and exit code go to every rank on a tag of their own, and each answers with what
// it is at, so that the failing rank knows when it may leave, and who is missing because it is stopped and who because it is elsewhere.
#pragma once
#include <array>
#include <deque>
#include <functional>
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
  /// `status` says how this rank stands, for the answers.
  FailureRelay(Transport& transport, std::function<std::string()> status);
  /// Looks for messages. True if there was one. Throws what the transport throws.
  bool step();
  /// The first failure heard of, once.
  std::optional<Error> take_heard();
  /// Begins to tell all others.
  void tell(int exit_code, const std::string& text);
  bool is_telling() const { return is_telling_; }
  /// All others have answered.
  bool is_told() const { return is_telling_ && answer_count_ == transport_.size() - 1; }
  /// By rank: how it stands, by its own words; empty where none has come.
  const std::vector<std::string>& answers() const { return answers_; }
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
  std::function<std::string()> status_;
  std::unique_ptr<Message> incoming_ = std::make_unique<Message>();
  std::optional<Ticket> receive_;
  struct Sent {
    Ticket ticket;
    std::unique_ptr<Message> message;
  };
  std::vector<Sent> sent_;
  std::optional<Error> heard_;
  bool is_telling_ = false;
  std::vector<std::string> answers_;
  int answer_count_ = 0;
};

}  // namespace ganymede::comm
