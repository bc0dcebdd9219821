#include "bench/step_bench.hpp"

#include <gtest/gtest.h>

namespace ganymede::bench {

TEST(Quantile, InterpolatesBetweenSortedValues) {
  EXPECT_DOUBLE_EQ(quantile({3, 1, 2}, 0.5), 2.0);
  EXPECT_DOUBLE_EQ(quantile({4, 1, 2, 3}, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile({10}, 0.9), 10.0);
  EXPECT_DOUBLE_EQ(quantile({0, 10}, 0.1), 1.0);
}

TEST(Process, KnowsItsAgeAndItsPeak) {
  const double before = process_age_s();
  EXPECT_GE(before, 0.0);
  EXPECT_GE(process_age_s(), before);
  EXPECT_GT(peak_resident_mib(), 1.0);
}

}  // namespace ganymede::bench
