#include "bench/overlap_bench.hpp"

#include <gmock/gmock.h>

#include "comm/thread_ranks.hpp"

namespace ganymede::bench {

TEST(Overlap, IsTheShareOfCommunicationThatDisappears) {
  EXPECT_DOUBLE_EQ(overlap_percent(100, 100, 50), 100);
  EXPECT_DOUBLE_EQ(overlap_percent(150, 100, 50), 0);
  EXPECT_DOUBLE_EQ(overlap_percent(110, 100, 50), 80);
  EXPECT_DOUBLE_EQ(overlap_percent(90, 100, 50), 100) << "no more than all";
  EXPECT_DOUBLE_EQ(overlap_percent(300, 100, 50), 0) << "no less than nothing";
  EXPECT_DOUBLE_EQ(overlap_percent(100, 100, 0), 0) << "nothing to hide";
}

TEST(Overlap, RowsHaveRightSumsAndAllSamples) {
  comm::run_thread_ranks(2, [](comm::Communicator& communicator) {
    OverlapBenchOptions options;
    options.min_bytes = 64 << 10, options.max_bytes = 256 << 10, options.bucket_bytes = 48 << 10, options.iterations = 3, options.warmup = 1;
    std::vector<OverlapBenchRow> rows;
    bench_overlap(options, communicator, [&](const OverlapBenchRow& row) { rows.push_back(row); });
    ASSERT_EQ(rows.size(), 2u);
    for (const auto& row : rows) {
      EXPECT_EQ(row.wrong, 0);
      EXPECT_GE(row.products, 1);
      for (const auto* samples : {&row.overall_samples_us, &row.compute_samples_us, &row.pure_samples_us}) EXPECT_THAT(*samples, testing::Each(testing::SizeIs(3)));
    }
    EXPECT_EQ(rows[1].size, 256 << 10);
  });
}

}  // namespace ganymede::bench
