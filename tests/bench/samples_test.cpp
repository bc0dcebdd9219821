#include "bench/samples.hpp"

#include <gmock/gmock.h>

#include "comm/thread_ranks.hpp"

namespace ganymede::bench {

TEST(Quantile, InterpolatesBetweenSortedValues) {
  EXPECT_DOUBLE_EQ(quantile({3, 1, 2}, 0.5), 2.0);
  EXPECT_DOUBLE_EQ(quantile({4, 1, 2, 3}, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile({10}, 0.9), 10.0);
  EXPECT_DOUBLE_EQ(quantile({0, 10}, 0.1), 1.0);
}

TEST(Spread, IsThatOfAllValues) {
  const auto spread = spread_of({4, 2, 6, 8});
  EXPECT_EQ(spread.min, 2);
  EXPECT_EQ(spread.max, 8);
  EXPECT_EQ(spread.mean, 5);
  EXPECT_EQ(spread.p50, 5);
  EXPECT_DOUBLE_EQ(spread.stdev, std::sqrt(5.0));
  EXPECT_DOUBLE_EQ(spread.cv_percent(), 100 * std::sqrt(5.0) / 5);
}

TEST(Samples, OfAllRanksStandInRankOrder) {
  comm::run_thread_ranks(3, [](comm::Communicator& communicator) {
    const double r = communicator.rank();
    const auto all = gather_samples(communicator, {r, 10 - r}, Deadline::in(std::chrono::seconds(30)));
    EXPECT_EQ(all, (SamplesOfRanks{{0, 10}, {1, 9}, {2, 8}}));
    EXPECT_EQ(means_of(all), (std::vector<double>{5, 5, 5}));
    EXPECT_EQ(slowest_of(all), (std::vector<double>{2, 10}));
  });
}

}  // namespace ganymede::bench
