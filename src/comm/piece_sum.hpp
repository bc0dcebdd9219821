// A large sum over ranks in pieces of at most 256 KiB. Piece p belongs to rank p modulo size: all send their part of it to the
// owner, who adds them in a fixed order, rounds once and sends the result to all. Several pieces are under way at a time, so the
// network, the sums and the return of results overlap, and a statistic never waits behind more than a few pieces.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "comm/operation.hpp"

namespace ganymede::comm {

class PieceSum final : public Operation {
 public:
  /// `tensor` is summed in place; it belongs to the communication thread until the operation is finished.
  PieceSum(std::shared_ptr<const Group> group, OperationInfo info, at::Tensor tensor);
  void release_memory() override;

 protected:
  bool step_lane(Wire& wire, Lane& lane, bool may_send) override;
  bool step_whole() override;
  bool is_whole_complete() const override { return summed_ == pieces_of(group_->own); }
  bool is_lane_complete(const Lane& lane) const override;
  bool has_lane_sent(const Lane& lane) const override;
  bool sends_inline() const override { return false; }

 private:
  int64_t pieces_of(int rank) const;
  /// The index-th piece that `rank` owns, within the tensor.
  std::span<std::byte> piece(int rank, int64_t index) const;
  /// Where `peer`'s part of our index-th piece arrives.
  std::byte* scratch(int peer, int64_t index);

  at::Tensor tensor_;
  std::byte* data_ = nullptr;
  int64_t piece_bytes_ = 0;
  int64_t piece_count_ = 0;
  int64_t summed_ = 0;  // of our own pieces
  std::unique_ptr<std::byte[]> scratch_;
};

}  // namespace ganymede::comm
