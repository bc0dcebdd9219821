#include "comm/thread_transport.hpp"

#include <atomic>
#include <cstring>
#include <list>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "core/error.hpp"

namespace ganymede::comm {
namespace {

struct Message {
  int source = 0;
  Channel channel = Channel::control;
  int tag = 0;
  std::span<const std::byte> from;
  std::span<std::byte> to;
  std::atomic<int64_t> done_bytes{-1};  // -1 while under way
  bool fits(const Message& receive) const {
    return (receive.source == any_peer || receive.source == source) && receive.channel == channel && receive.tag == tag;
  }
};
using Messages = std::list<std::shared_ptr<Message>>;

}  // namespace

class ThreadHub {
 public:
  explicit ThreadHub(int size) : boxes_(size) {}
  int size() const { return static_cast<int>(boxes_.size()); }

  void send(int destination, std::shared_ptr<Message> send) {
    Box& box = boxes_[destination];
    std::lock_guard lock(box.mutex);
    for (auto receive = box.receives.begin(); receive != box.receives.end(); ++receive) {
      if (!send->fits(**receive)) continue;
      copy(*send, **receive);
      box.receives.erase(receive);
      return;
    }
    box.sends.push_back(std::move(send));
  }

  void receive(int destination, std::shared_ptr<Message> receive) {
    Box& box = boxes_[destination];
    std::lock_guard lock(box.mutex);
    for (auto send = box.sends.begin(); send != box.sends.end(); ++send) {
      if (!(*send)->fits(*receive)) continue;
      copy(**send, *receive);
      box.sends.erase(send);
      return;
    }
    box.receives.push_back(std::move(receive));
  }

  void withdraw(int destination, const std::shared_ptr<Message>& message) {
    Box& box = boxes_[destination];
    std::lock_guard lock(box.mutex);
    box.sends.remove(message);
    box.receives.remove(message);
    int64_t under_way = -1;
    message->done_bytes.compare_exchange_strong(under_way, 0, std::memory_order_release);
  }

 private:
  struct Box {
    std::mutex mutex;  // guards both lists and every copy between them
    Messages sends, receives;
  };
  static void copy(Message& send, Message& receive) {
    if (send.from.size() > receive.to.size()) throw Error(Fault::bug, "a message of {} B came for {} B of memory", send.from.size(), receive.to.size());
    if (!send.from.empty()) std::memcpy(receive.to.data(), send.from.data(), send.from.size());
    const auto bytes = static_cast<int64_t>(send.from.size());
    receive.done_bytes.store(bytes, std::memory_order_release);
    send.done_bytes.store(bytes, std::memory_order_release);
  }
  std::vector<Box> boxes_;  // one per destination
};

namespace {

class ThreadTransport final : public Transport {
 public:
  ThreadTransport(std::shared_ptr<ThreadHub> hub, int rank) : hub_(std::move(hub)), rank_(rank) {}
  ~ThreadTransport() override {
    for (const auto& [ticket, entry] : under_way_) hub_->withdraw(entry.destination, entry.message);
  }
  int rank() const override { return rank_; }
  int size() const override { return hub_->size(); }
  int64_t tag_count() const override { return int64_t{1} << 30; }

  Ticket isend(int peer, Channel channel, int tag, std::span<const std::byte> bytes) override {
    auto message = std::make_shared<Message>();
    message->source = rank_;
    message->channel = channel;
    message->tag = tag;
    message->from = bytes;
    hub_->send(peer, message);
    return remember(peer, std::move(message));
  }
  Ticket irecv(int peer, Channel channel, int tag, std::span<std::byte> bytes) override {
    auto message = std::make_shared<Message>();
    message->source = peer;
    message->channel = channel;
    message->tag = tag;
    message->to = bytes;
    hub_->receive(rank_, message);
    return remember(rank_, std::move(message));
  }
  void progress() override {}  // whoever comes second copies
  std::optional<int64_t> take_if_done(Ticket ticket) override {
    const auto entry = under_way_.find(ticket);
    const int64_t bytes = entry->second.message->done_bytes.load(std::memory_order_acquire);
    if (bytes < 0) return std::nullopt;
    under_way_.erase(entry);
    return bytes;
  }
  void cancel(Ticket ticket) override {
    const Entry& entry = under_way_.at(ticket);
    hub_->withdraw(entry.destination, entry.message);
  }

 private:
  struct Entry {
    int destination;
    std::shared_ptr<Message> message;
  };
  Ticket remember(int destination, std::shared_ptr<Message> message) {
    under_way_.emplace(next_ticket_, Entry{destination, std::move(message)});
    return next_ticket_++;
  }
  std::shared_ptr<ThreadHub> hub_;
  int rank_;
  Ticket next_ticket_ = 0;
  std::unordered_map<Ticket, Entry> under_way_;
};

}  // namespace

std::shared_ptr<ThreadHub> make_thread_hub(int size) { return std::make_shared<ThreadHub>(size); }
std::unique_ptr<Transport> make_thread_transport(std::shared_ptr<ThreadHub> hub, int rank) {
  return std::make_unique<ThreadTransport>(std::move(hub), rank);
}

}  // namespace ganymede::comm
