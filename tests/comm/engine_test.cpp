// What only the engine itself shows: which message starts when, and the ring of the last operations.
#include "comm/engine.hpp"

#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include <chrono>
#include <mutex>
#include <thread>

#include "comm/engine_communicator.hpp"
#include "comm/thread_transport.hpp"

namespace ganymede::comm {
namespace {

using namespace std::chrono_literals;

Deadline soon() { return Deadline::in(60s); }

/// Counts the messages that begin, by channel, and the longest.
class Counts {
 public:
  void add(Channel channel, size_t bytes) {
    std::lock_guard lock(mutex_);
    ++sends_[static_cast<size_t>(channel)];
    longest_ = std::max(longest_, bytes);
  }
  int64_t sends(Channel channel) {
    std::lock_guard lock(mutex_);
    return sends_[static_cast<size_t>(channel)];
  }
  size_t longest() {
    std::lock_guard lock(mutex_);
    return longest_;
  }

 private:
  std::mutex mutex_;  // guards all members
  std::array<int64_t, channel_count> sends_{};
  size_t longest_ = 0;
};

class CountingTransport final : public Transport {
 public:
  CountingTransport(std::unique_ptr<Transport> inner, Counts& counts) : inner_(std::move(inner)), counts_(counts) {}
  int rank() const override { return inner_->rank(); }
  int size() const override { return inner_->size(); }
  int64_t tag_count() const override { return inner_->tag_count(); }
  Ticket isend(int peer, Channel channel, int tag, std::span<const std::byte> bytes) override {
    counts_.add(channel, bytes.size());
    return inner_->isend(peer, channel, tag, bytes);
  }
  Ticket irecv(int peer, Channel channel, int tag, std::span<std::byte> bytes) override { return inner_->irecv(peer, channel, tag, bytes); }
  void progress() override { inner_->progress(); }
  std::optional<int64_t> take_if_done(Ticket ticket) override { return inner_->take_if_done(ticket); }
  void cancel(Ticket ticket) override { inner_->cancel(ticket); }

 private:
  std::unique_ptr<Transport> inner_;
  Counts& counts_;
};

/// Two ranks with one engine each; what rank 0 sends is counted.
void run_pair(Counts& counts, const std::function<void(Communicator&, Engine&)>& body) {
  const auto hub = make_thread_hub(2);
  std::vector<std::shared_ptr<Engine>> engines;
  for (int rank = 0; rank < 2; ++rank) {
    engines.push_back(Engine::start(
        [&, rank]() -> std::unique_ptr<Transport> {
          auto inner = make_thread_transport(hub, rank);
          if (rank == 0) return std::make_unique<CountingTransport>(std::move(inner), counts);
          return inner;
        },
        soon()));
  }
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 2; ++rank) threads.emplace_back([&, rank] { body(*make_communicator(engines[rank], "threads", soon()), *engines[rank]); });
  for (std::thread& thread : threads) thread.join();
}

TEST(Engine, NoGradientPieceStartsWhileAStatisticWaits) {
  Counts counts;
  run_pair(counts, [&](Communicator& comm, Engine&) {
    at::Tensor statistic = at::full({10}, comm.rank() + 1.0);
    at::Tensor gradient = at::full({3 << 20}, comm.rank() + 1.0, at::kFloat);
    Work early;
    if (comm.rank() == 0) early = comm.all_reduce_sum_async(statistic, "statistic", soon(), Channel::statistics);
    const Work reduction = comm.all_reduce_sum_async(gradient, "gradient", soon(), Channel::gradients);
    // Rank 1 is late with its statistic. Twenty round trips give rank 0 every chance to start a piece.
    for (int i = 0; i < 20; ++i) comm.barrier("round trip", soon());
    if (comm.rank() == 0) {
      EXPECT_EQ(counts.sends(Channel::gradients), 0);
    }
    comm.barrier("counted", soon());
    if (comm.rank() == 1) comm.all_reduce_sum(statistic, "statistic", soon(), Channel::statistics);
    early.wait();
    reduction.wait();
    EXPECT_TRUE(at::equal(statistic, at::full({10}, 3.0)));
    EXPECT_TRUE(at::equal(gradient, at::full({3 << 20}, 3.0, at::kFloat)));
  });
  EXPECT_GT(counts.sends(Channel::gradients), 12 << 20 >> 18);  // 12 MiB went in pieces, after all
  EXPECT_LE(counts.longest(), 256u * 1024u);
}

TEST(Engine, RemembersItsLastOperations) {
  Counts counts;
  run_pair(counts, [&](Communicator& comm, Engine& engine) {
    for (int i = 0; i < 300; ++i) {
      at::Tensor x = at::ones({i});
      comm.all_reduce_sum(x, "sum " + std::to_string(i), soon());
    }
    if (comm.rank() == 0) {
      EXPECT_THROW(comm.barrier("nobody comes", Deadline::in(0.05s)), Error);
    }
    const auto records = engine.recent();
    ASSERT_EQ(records.size(), 256u);
    for (size_t i = 1; i < records.size(); ++i) EXPECT_EQ(records[i].number, records[i - 1].number + 1);
    size_t last = records.size() - 1;
    if (comm.rank() == 0) {
      EXPECT_EQ(records[last].name, "nobody comes");
      EXPECT_EQ(records[last].state, OperationRecord::State::failed);
      --last;
    }
    EXPECT_EQ(records[last].name, "sum 299");
    EXPECT_EQ(records[last].bytes, 299 * 4);
    EXPECT_EQ(records[last].kind, OperationKind::all_reduce);
    EXPECT_EQ(records[last].state, OperationRecord::State::done);
    EXPECT_GE(records[last].ended_at, records[last].submitted_at);
  });
}

}  // namespace
}  // namespace ganymede::comm
