#include "comm/piece_sum.hpp"

#include <algorithm>

#include "comm/sums.hpp"

namespace ganymede::comm {

PieceSum::PieceSum(std::shared_ptr<const Group> group, OperationInfo info, at::Tensor tensor)
    : Operation(std::move(group), std::move(info)), tensor_(std::move(tensor)), data_(static_cast<std::byte*>(tensor_.data_ptr())) {
  const int64_t bytes = info_.bytes;
  // Every rank owns at least one piece if there are elements enough; a multiple of a cache line, so that no two ranks' pieces share one.
  const int64_t fair = (bytes / group_->size() + 63) / 64 * 64;
  piece_bytes_ = std::clamp<int64_t>(fair, 64, piece_bytes_limit);
  piece_count_ = (bytes + piece_bytes_ - 1) / piece_bytes_;
  for (int peer = 0; peer < group_->size(); ++peer) {
    if (peer == group_->own) continue;
    lane(peer).sends = lane(peer).receives = true;
  }
}

int64_t PieceSum::pieces_of(int rank) const { return (piece_count_ - rank + group_->size() - 1) / group_->size(); }

std::span<std::byte> PieceSum::piece(int rank, int64_t index) const {
  const int64_t begin = (rank + index * group_->size()) * piece_bytes_;
  return {data_ + begin, static_cast<size_t>(std::min(piece_bytes_, info_.bytes - begin))};
}

std::byte* PieceSum::scratch(int peer, int64_t index) {
  if (!scratch_) scratch_ = std::make_unique_for_overwrite<std::byte[]>(group_->size() * pieces_in_flight * piece_bytes_);
  return scratch_.get() + (peer * pieces_in_flight + index % pieces_in_flight) * piece_bytes_;
}

bool PieceSum::step_lane(Wire& wire, Lane& lane, bool may_send) {
  const int64_t ours = pieces_of(group_->own);
  const int64_t theirs = pieces_of(lane.peer);
  bool moved = lane.pieces_out.reap(wire.transport());
  moved |= lane.pieces_in.reap(wire.transport());
  moved |= lane.results_out.reap(wire.transport());
  moved |= lane.results_in.reap(wire.transport());

  // Results go before parts: the peer is further on with them.
  while (may_send && lane.results_out.started < summed_ && lane.results_out.in_flight() < pieces_in_flight) {
    const auto bytes = piece(group_->own, lane.results_out.started);
    lane.results_out.add(wire.send(*group_, info_, lane.peer, Wire::Phase::results, bytes, static_cast<int64_t>(bytes.size())));
    moved = true;
  }
  while (may_send && lane.pieces_out.started < theirs && lane.pieces_out.in_flight() < pieces_in_flight) {
    const auto bytes = piece(lane.peer, lane.pieces_out.started);
    lane.pieces_out.add(wire.send(*group_, info_, lane.peer, Wire::Phase::pieces, bytes, static_cast<int64_t>(bytes.size())));
    moved = true;
  }
  if (!lane.is_open) return moved;
  while (lane.pieces_in.started < ours && lane.pieces_in.started < summed_ + pieces_in_flight) {
    const int64_t next = lane.pieces_in.started;
    lane.pieces_in.add(wire.receive(*group_, info_, lane.peer, Wire::Phase::pieces, {scratch(lane.peer, next), piece(group_->own, next).size()}));
    moved = true;
  }
  // A result overwrites our part, which must have left first.
  while (lane.results_in.started < lane.pieces_out.finished && lane.results_in.in_flight() < pieces_in_flight) {
    lane.results_in.add(wire.receive(*group_, info_, lane.peer, Wire::Phase::results, piece(lane.peer, lane.results_in.started)));
    moved = true;
  }
  return moved;
}

bool PieceSum::step_whole() {
  const auto has_all_parts = [&] {
    return std::all_of(lanes_.begin(), lanes_.end(), [&](const Lane& lane) { return lane.pieces_in.finished > summed_; });
  };
  bool moved = false;
  while (summed_ < pieces_of(group_->own) && has_all_parts()) {
    const auto out = piece(group_->own, summed_);
    std::vector<const std::byte*> parts(group_->size());
    for (int r = 0; r < group_->size(); ++r) parts[r] = r == group_->own ? out.data() : scratch(r, summed_);
    sum_in_tree(tensor_.scalar_type(), out.data(), parts, static_cast<int64_t>(out.size()) / tensor_.element_size());
    ++summed_;
    moved = true;
  }
  return moved;
}

bool PieceSum::is_lane_complete(const Lane& lane) const {
  const int64_t ours = pieces_of(group_->own);
  const int64_t theirs = pieces_of(lane.peer);
  return lane.pieces_out.finished == theirs && lane.results_in.finished == theirs && lane.pieces_in.finished == ours && lane.results_out.finished == ours;
}

bool PieceSum::has_lane_sent(const Lane& lane) const {
  return lane.pieces_out.started == pieces_of(lane.peer) && lane.results_out.started == pieces_of(group_->own);
}

void PieceSum::release_memory() {
  Operation::release_memory();
  tensor_.reset();
  scratch_.reset();
}

}  // namespace ganymede::comm
