#include "data/streams.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "data/shard_format.hpp"
#include "storage/expect_fault.hpp"

namespace ganymede::data {
namespace {

std::vector<int64_t> chunks_of(int64_t samples, int64_t chunk) {
  std::vector<int64_t> chunks;
  for (int64_t first = 0; first < samples; first += chunk) chunks.push_back(std::min(chunk, samples - first));
  return chunks;
}

struct Case {
  std::vector<int64_t> chunks;
  int64_t global_batch, streams;
};
const std::vector<Case> cases = {
    {chunks_of(60000, format::chunk_samples(784)), 48, 48}, {chunks_of(60000, format::chunk_samples(784)), 50, 7}, {chunks_of(28, 28), 50, 7},
    {chunks_of(1000, 3), 10, 10}, {{1, 2, 3, 50, 1}, 5, 4}, {chunks_of(64, 1), 64, 16},
};

TEST(StreamOrder, EveryEpochHoldsEverySampleOnce) {
  for (const auto& [chunks, global_batch, streams] : cases) {
    StreamOrder order(chunks, streams, 4, 1);
    const int64_t n = order.samples();
    for (int64_t epoch = 0; epoch < 3; ++epoch) {
      std::vector<int> seen(static_cast<size_t>(n));
      for (int64_t v = 0; v < streams; ++v)
        for (int64_t p = (epoch * n + v) / streams; p < ((epoch + 1) * n + v) / streams; ++p) ++seen[order.sample_at(v, p)];
      EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), n) << "epoch " << epoch << " of " << n << " samples in " << streams << " streams";
    }
  }
}

TEST(StreamOrder, RanksSlicesJoinToTheBatchOfOneRank) {
  for (const auto& [chunks, global_batch, streams] : cases) {
    StreamOrder alone(chunks, streams, 4, 9);
    for (int64_t world_size = 1; world_size <= std::min<int64_t>(streams, 4); ++world_size) {
      std::vector<StreamOrder> orders(static_cast<size_t>(world_size), StreamOrder(chunks, streams, 4, 9));
      for (int64_t drawn = 0; drawn < 40 * global_batch; drawn += global_batch) {
        std::vector<int64_t> joined;
        for (int64_t rank = 0; rank < world_size; ++rank) {
          const BatchPlan plan{global_batch, streams, world_size, rank};
          EXPECT_EQ(plan.rank_first_place(rank, drawn), static_cast<int64_t>(joined.size()));
          const auto own = orders[rank].batch(plan, drawn);
          EXPECT_EQ(plan.rank_count(rank, drawn), static_cast<int64_t>(own.size()));
          joined.insert(joined.end(), own.begin(), own.end());
        }
        EXPECT_EQ(static_cast<int64_t>(joined.size()), global_batch);
        EXPECT_EQ(joined, alone.batch({global_batch, streams, 1, 0}, drawn));
      }
    }
  }
}

TEST(StreamOrder, APositionIsAllThatResumingNeeds) {
  for (const auto& [chunks, global_batch, streams] : cases) {
    const BatchPlan plan{global_batch, streams, 1, 0};
    StreamOrder walked(chunks, streams, 4, 2);
    for (int64_t drawn = 0; drawn < 80 * global_batch; drawn += global_batch) {
      const auto batch = walked.batch(plan, drawn);
      if (drawn % (16 * global_batch) == 0) {
        EXPECT_EQ(StreamOrder(chunks, streams, 4, 2).batch(plan, drawn), batch);
      }
    }
  }
}

TEST(StreamOrder, SeedsAndEpochsDiffer) {
  const auto chunks = chunks_of(1000, 10);
  const BatchPlan plan{50, 10, 1, 0};
  EXPECT_NE(StreamOrder(chunks, 10, 4, 1).batch(plan, 0), StreamOrder(chunks, 10, 4, 2).batch(plan, 0));
  StreamOrder order(chunks, 10, 4, 1);
  EXPECT_NE(order.batch(plan, 0), order.batch(plan, 1000));
}

TEST(StreamOrder, FewChunksAreCutAndManyAreNot) {
  EXPECT_EQ(StreamOrder({10}, 2, 4, 0).blocks(), (std::vector<Piece>{{0, 1}, {1, 1}, {2, 1}, {3, 2}, {5, 1}, {6, 1}, {7, 1}, {8, 2}}));
  EXPECT_EQ(StreamOrder({3, 1}, 1, 4, 0).blocks(), (std::vector<Piece>{{0, 1}, {1, 2}, {3, 1}}));  // the empty part of the second is dropped
  EXPECT_EQ(StreamOrder({9, 9, 9, 9}, 1, 4, 0).blocks().size(), 4u);
  EXPECT_EQ(StreamOrder({9, 9, 9}, 1, 4, 0).blocks().size(), 6u);
}

TEST(StreamOrder, AWindowHoldsAtMostItsPieces) {
  StreamOrder order(chunks_of(5000, 7), 6, 3, 4);
  for (int64_t v = 0; v < 6; ++v)
    for (int64_t p = 0; p < 2 * 5000 / 6; ++p) {
      const auto& window = order.window_at(v, p);
      EXPECT_LE(window.pieces.size(), 3u);
      EXPECT_LE(window.size(), 21);
      EXPECT_TRUE(p >= window.first_position && p < window.end_position());
    }
}

TEST(BatchPlan, FollowsTheIssuesUnevenCase) {
  // N = 50 with 7 streams on 3 ranks: rank 0 owns 2 streams, rank 1 owns 2, rank 2 owns 3.
  const BatchPlan plan{50, 7, 3, 0};
  EXPECT_EQ(plan.rank_count(0, 0), 14);
  EXPECT_EQ(plan.rank_count(1, 0), 14);
  EXPECT_EQ(plan.rank_count(2, 0), 22);
  for (int64_t drawn = 0; drawn < 5000; drawn += 50)
    for (int64_t v = 0; v < 7; ++v) EXPECT_TRUE(plan.count(v, drawn) == 7 || plan.count(v, drawn) == 8);
}

TEST(BatchPlan, Defaults) {
  DataConfig config;
  config.global_batch = 48;
  EXPECT_EQ(resolve_plan(config, 1, 0).streams, 48);
  config.global_batch = 1000;
  EXPECT_EQ(resolve_plan(config, 4, 1).streams, 64);
  config.global_batch.reset();
  config.batch_per_rank = 20;
  EXPECT_EQ(resolve_plan(config, 3, 0).global_batch, 60);
  EXPECT_EQ(resolve_plan(config, 3, 0).streams, 48);
  config.batch_per_rank = 5;
  EXPECT_EQ(resolve_plan(config, 3, 0).streams, 15);
}

TEST(BatchPlan, RefusesWhatCannotBe) {
  const auto refused = [](std::vector<std::string> words, std::optional<int64_t> global_batch, std::optional<int64_t> per_rank, std::optional<int64_t> streams,
                          int64_t world_size, int64_t samples) {
    DataConfig config{.path = "", .global_batch = global_batch, .batch_per_rank = per_rank, .streams = streams};
    expect_fault(Fault::recipe, words, [&] { resolve_plan(config, samples, world_size, 0); });
  };
  refused({"data.global_batch", "data.batch_per_rank", "exclude"}, 8, 8, {}, 1, 1000);
  refused({"neither", "data.global_batch"}, {}, {}, {}, 1, 1000);
  refused({"data.global_batch = 0"}, 0, {}, {}, 1, 1000);
  refused({"data.batch_per_rank = -1"}, {}, -1, {}, 1, 1000);
  refused({"data.streams = 0"}, 8, {}, 0, 1, 1000);
  refused({"data.streams = 9"}, 8, {}, 9, 1, 1000);
  refused({"data.streams", "3 ranks"}, 8, {}, 2, 3, 1000);
  refused({"data.streams", "65 ranks"}, 100, {}, {}, 65, 1000);
  refused({"data.streams = 8", "32 samples", "31"}, 8, {}, {}, 1, 31);
  DataConfig fits;
  fits.global_batch = 8;
  EXPECT_EQ(resolve_plan(fits, 32, 1, 0).streams, 8);
}

}  // namespace
}  // namespace ganymede::data
