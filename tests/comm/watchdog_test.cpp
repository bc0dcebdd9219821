// The watchdog against an engine whose network library hangs, and a main thread that does not come back.
#include "comm/watchdog.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include <condition_variable>
#include <mutex>

#include "comm/engine.hpp"
#include "comm/engine_communicator.hpp"
#include "comm/thread_transport.hpp"

namespace ganymede::comm {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

/// What the watchdog would have written, and its code.
class Witness {
 public:
  Engine::Guard guard() {
    return {[this](const std::string& text) { add(text, 0); }, [this](const std::string& text, int code) { add(text, code); }, false};
  }
  /// Waits until the process would have been ended.
  int code() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 40s, [&] { return code_ != 0; });
    return code_;
  }
  std::string text() {
    std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  void add(const std::string& text, int code) {
    std::lock_guard lock(mutex_);
    text_ += text;
    code_ = code;
    changed_.notify_all();
  }
  std::mutex mutex_;  // guards all members
  std::condition_variable changed_;
  std::string text_;
  int code_ = 0;
};

/// A network library that does not come back once it has been told to hang.
class HangingTransport final : public Transport {
 public:
  HangingTransport(std::unique_ptr<Transport> inner, std::atomic<bool>& hangs) : inner_(std::move(inner)), hangs_(hangs) {}
  int rank() const override { return inner_->rank(); }
  int size() const override { return inner_->size(); }
  int64_t tag_count() const override { return inner_->tag_count(); }
  Ticket isend(int peer, Channel channel, int tag, std::span<const std::byte> bytes) override { return inner_->isend(peer, channel, tag, bytes); }
  Ticket irecv(int peer, Channel channel, int tag, std::span<std::byte> bytes) override { return inner_->irecv(peer, channel, tag, bytes); }
  void progress() override {
    hangs_.wait(true);
    inner_->progress();
  }
  std::optional<int64_t> take_if_done(Ticket ticket) override { return inner_->take_if_done(ticket); }
  void cancel(Ticket ticket) override { inner_->cancel(ticket); }

 private:
  std::unique_ptr<Transport> inner_;
  std::atomic<bool>& hangs_;
};

/// Two ranks; rank 0 is watched.
struct Pair {
  std::atomic<bool> hangs{false};
  Witness witness;
  std::shared_ptr<ThreadHub> hub = make_thread_hub(2);
  std::vector<std::shared_ptr<Engine>> engines;
  std::vector<std::unique_ptr<Communicator>> ranks;

  Pair() {
    ranks.resize(2);
    engines.push_back(Engine::start([this] { return std::make_unique<HangingTransport>(make_thread_transport(hub, 0), hangs); }, Deadline::in(30s), witness.guard()));
    engines.push_back(Engine::start([this] { return make_thread_transport(hub, 1); }, Deadline::in(30s)));
    std::thread other([this] { ranks[1] = make_communicator(engines[1], "threads", Deadline::in(30s)); });
    ranks[0] = make_communicator(engines[0], "threads", Deadline::in(30s));
    other.join();
  }
  ~Pair() {
    hangs = false;
    hangs.notify_all();
  }
};

TEST(Watchdog, EndsAProcessWhoseNetworkLibraryHangs) {
  Pair pair;
  pair.hangs = true;
  at::Tensor x = at::ones({100000});
  const Work work = pair.ranks[0]->all_reduce_sum_async(x, "discriminator bucket 2", Deadline::in(0.2s), Channel::gradients);
  EXPECT_EQ(pair.witness.code(), 76);
  EXPECT_THAT(pair.witness.text(), HasSubstr("all_reduce 'discriminator bucket 2' (390.6 KiB of Float) passed its deadline of 0.2 s; the communication thread hangs"));
  EXPECT_THAT(pair.witness.text(), HasSubstr("its last operations (set-up):\n"));
  EXPECT_THAT(pair.witness.text(), HasSubstr("hangs inside the network library, so its process is ended (exit code 76)"));
}

TEST(Watchdog, EndsAProcessWhoseMainThreadDoesNotComeBack) {
  Pair pair;
  std::thread([&] { EXPECT_THROW(pair.ranks[1]->barrier("next step", Deadline::in(0.2s)), Error); }).join();
  // Rank 0's main thread, this one, notices nothing.
  EXPECT_EQ(pair.witness.code(), 76);
  EXPECT_THAT(pair.witness.text(), HasSubstr("barrier 'next step' (0 B) passed its deadline of 0.2 s; rank 0 on "));
  EXPECT_THAT(pair.witness.text(), HasSubstr("does not come back from what it does"));
}

TEST(Watchdog, EndsAJobInWhichNobodyCallsAnything) {
  Pair pair;
  pair.ranks[0]->learn_deadlines(1.0, 0.5);
  EXPECT_EQ(pair.witness.code(), 76);
  EXPECT_THAT(pair.witness.text(), HasSubstr("has called no other rank for longer than any wait may take"));
}

TEST(Watchdog, LeavesAloneWhoeverWaitsWithinItsDeadline) {
  Pair pair;
  std::thread other([&] { pair.ranks[1]->barrier("slow", Deadline::in(60s)); });
  pair.ranks[0]->barrier("slow", Deadline::in(60s));
  other.join();
  EXPECT_EQ(pair.witness.text(), "");
}

}  // namespace
}  // namespace ganymede::comm
