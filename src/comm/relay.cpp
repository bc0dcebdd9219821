#include "comm/relay.hpp"

#include <algorithm>
#include <cstring>

namespace ganymede::comm {
namespace {
constexpr int relay_tag = 3;  // Wire::Phase::relay of the first communicator
}

FailureRelay::FailureRelay(Transport& transport, std::function<std::string()> status)
    : transport_(transport), status_(std::move(status)), answers_(transport.size()) {
  if (transport_.size() > 1) post_receive();
}

void FailureRelay::post_receive() {
  receive_ = transport_.irecv(any_peer, Channel::control, relay_tag, std::as_writable_bytes(std::span(incoming_.get(), 1)));
}

void FailureRelay::send(int peer, const Message& message) {
  auto copy = std::make_unique<Message>(message);
  const Ticket ticket = transport_.isend(peer, Channel::control, relay_tag, std::as_bytes(std::span(copy.get(), 1)));
  sent_.push_back({ticket, std::move(copy)});
}

bool FailureRelay::step() {
  std::erase_if(sent_, [&](const Sent& sent) { return transport_.take_if_done(sent.ticket).has_value(); });
  if (!receive_ || !transport_.take_if_done(*receive_)) return false;
  const Message message = *incoming_;
  post_receive();
  if (message.kind == Message::Kind::answer) {
    ++answer_count_;
    answers_.at(message.rank) = message.text.data();
    return true;
  }
  Message answer{Message::Kind::answer, transport_.rank(), 0, {}};
  std::strncpy(answer.text.data(), status_().c_str(), answer.text.size() - 1);
  send(message.rank, answer);
  if (!heard_) heard_ = Error(static_cast<Fault>(message.exit_code), "{}", message.text.data());
  return true;
}

std::optional<Error> FailureRelay::take_heard() {
  auto heard = std::move(heard_);
  heard_.reset();
  return heard;
}

void FailureRelay::tell(int exit_code, const std::string& text) {
  is_telling_ = true;
  Message message{Message::Kind::failure, transport_.rank(), exit_code, {}};
  std::strncpy(message.text.data(), text.c_str(), message.text.size() - 1);
  for (int peer = 0; peer < transport_.size(); ++peer)
    if (peer != transport_.rank()) send(peer, message);
}

void FailureRelay::close() {
  if (!receive_) return;
  transport_.cancel(*receive_);
  while (!transport_.take_if_done(*receive_)) transport_.progress();
  receive_.reset();
}

}  // namespace ganymede::comm
