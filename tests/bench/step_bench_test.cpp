#include "bench/step_bench.hpp"

#include <gtest/gtest.h>

namespace ganymede::bench {

TEST(Process, KnowsItsAgeAndItsPeak) {
  const double before = process_age_s();
  EXPECT_GE(before, 0.0);
  EXPECT_GE(process_age_s(), before);
  EXPECT_GT(peak_resident_mib(), 1.0);
}

}  // namespace ganymede::bench
