// Plain copies between ranks: gather, broadcast, exchange, barrier, texts. A small sum is one too: every rank gets all parts and
// adds them itself, which takes one message's time where pieces by way of their owner take two.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "comm/operation.hpp"

namespace ganymede::comm {

class Transfer final : public Operation {
 public:
  Transfer(std::shared_ptr<const Group> group, OperationInfo info, std::vector<at::Tensor> tensors = {});

  // ---- before submission; an empty span is an empty message ----
  void send_to(int peer, std::span<const std::byte> bytes);
  void receive_from(int peer, std::span<std::byte> bytes);
  /// Runs on the communication thread when all has arrived.
  void when_complete(std::function<void()> action) { action_ = std::move(action); }

  /// gather_texts: what came from `peer`; after the wait.
  std::string take_text(int peer) { return std::move(lane(peer).text); }

  void finish() override;
  void release_memory() override;

 protected:
  bool step_lane(Wire& wire, Lane& lane, bool may_send) override;
  bool is_lane_complete(const Lane& lane) const override;
  bool has_lane_sent(const Lane& lane) const override;
  bool sends_inline() const override { return true; }

 private:
  std::vector<at::Tensor> tensors_;  // whose memory the spans are
  std::function<void()> action_;
};

}  // namespace ganymede::comm
