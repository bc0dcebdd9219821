#include "comm/transfer.hpp"

#include <ATen/core/Tensor.h>

#include <algorithm>

namespace ganymede::comm {
namespace {

/// Pieces that follow the opening message.
int64_t piece_count(size_t bytes) {
  if (static_cast<int64_t>(bytes) <= inline_bytes_limit) return 0;
  return (static_cast<int64_t>(bytes) + piece_bytes_limit - 1) / piece_bytes_limit;
}

template <typename Byte>
std::span<Byte> piece(std::span<Byte> bytes, int64_t index) {
  const size_t begin = static_cast<size_t>(index * piece_bytes_limit);
  return bytes.subspan(begin, std::min<size_t>(piece_bytes_limit, bytes.size() - begin));
}

}  // namespace

Transfer::Transfer(std::shared_ptr<const Group> group, OperationInfo info, std::vector<at::Tensor> tensors)
    : Operation(std::move(group), std::move(info)), tensors_(std::move(tensors)) {}

void Transfer::send_to(int peer, std::span<const std::byte> bytes) {
  lane(peer).sends = true;
  lane(peer).outgoing = bytes;
}

void Transfer::receive_from(int peer, std::span<std::byte> bytes) {
  lane(peer).receives = true;
  lane(peer).incoming = bytes;
}

bool Transfer::step_lane(Wire& wire, Lane& lane, bool may_send) {
  bool moved = lane.pieces_out.reap(wire.transport());
  moved |= lane.pieces_in.reap(wire.transport());
  const int64_t to_send = lane.sends ? piece_count(lane.outgoing.size()) : 0;
  while (may_send && lane.pieces_out.started < to_send && lane.pieces_out.in_flight() < pieces_in_flight) {
    const auto next = piece(lane.outgoing, lane.pieces_out.started);
    lane.pieces_out.add(wire.send(*group_, info_, lane.peer, Wire::Phase::pieces, next, static_cast<int64_t>(next.size())));
    moved = true;
  }
  const int64_t to_receive = lane.is_open ? piece_count(lane.incoming.size()) : 0;
  while (lane.pieces_in.started < to_receive && lane.pieces_in.in_flight() < pieces_in_flight) {
    lane.pieces_in.add(wire.receive(*group_, info_, lane.peer, Wire::Phase::pieces, piece(lane.incoming, lane.pieces_in.started)));
    moved = true;
  }
  return moved;
}

bool Transfer::is_lane_complete(const Lane& lane) const {
  return (!lane.sends || lane.pieces_out.finished == piece_count(lane.outgoing.size())) &&
         (!lane.receives || lane.pieces_in.finished == piece_count(lane.incoming.size()));
}

bool Transfer::has_lane_sent(const Lane& lane) const { return !lane.sends || lane.pieces_out.started == piece_count(lane.outgoing.size()); }

void Transfer::finish() {
  if (action_) action_();
}

void Transfer::release_memory() {
  Operation::release_memory();
  tensors_.clear();
  action_ = nullptr;
}

}  // namespace ganymede::comm
