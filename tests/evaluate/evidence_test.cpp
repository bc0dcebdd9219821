#include "evaluate/evidence.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.hpp"

namespace ganymede::evaluate {
namespace {

// gan-systems, section 29.
TEST(SignFlip, OfFiveEqualSigns) {
  EXPECT_DOUBLE_EQ(sign_flip_p({0.1, 0.2, 0.3, 0.4, 0.5}), 0.0625);
  EXPECT_DOUBLE_EQ(sign_flip_p({-1, -1, -1, -1, -1, -1}), 0.03125);
  EXPECT_DOUBLE_EQ(sign_flip_p({1, -1}), 1.0);
  EXPECT_DOUBLE_EQ(sign_flip_p({3, -1, 2}), 0.5);  // |sums| 4 6 0 2, each twice: 4 of 8 reach 4
  EXPECT_DOUBLE_EQ(sign_flip_p(std::vector<double>(20, 0.3)), std::pow(2.0, -19));
  EXPECT_THROW(sign_flip_p({}), Error);
  EXPECT_THROW(sign_flip_p(std::vector<double>(25, 1.0)), Error);
}

TEST(PublishedMean, FiveRunsAgainstFive) {
  const Runs published{0.0, 1.0, 5};
  const auto ours = [](double mean) { return Runs{mean, 1.0, 5}; };
  EXPECT_TRUE(equivalent_by_tests(ours(0.82), published));
  EXPECT_TRUE(equivalent_by_tests(ours(-0.82), published));
  EXPECT_FALSE(equivalent_by_tests(ours(0.83), published));
  EXPECT_FALSE(equivalent_by_tests(ours(5.0), published));
  EXPECT_TRUE(consistent(ours(1.26), published));
  EXPECT_TRUE(consistent(ours(-1.26), published));
  EXPECT_FALSE(consistent(ours(1.27), published));
}

// Below 5 runs the published deviation stands in, and each run must lie within μ₀ ± 2·s₀·√(1+1/n₀) = ±2.19.
TEST(PublishedMean, FewRuns) {
  const Runs published{0.0, 1.0, 5};
  EXPECT_TRUE(consistent({1.4, 0.001, 2}, published));  // 2·√(1/2+1/5) = 1.67
  EXPECT_FALSE(consistent({1.7, 9.0, 2}, published));
  EXPECT_TRUE(equivalent({-1.0, 2.1}, published));
  EXPECT_FALSE(equivalent({-1.0, 2.3}, published));
  EXPECT_FALSE(equivalent({1.6, 1.9}, published));
  EXPECT_THROW(equivalent({0.0}, published), Error);
  EXPECT_THROW(equivalent({0, 0, 0, 0, 0}, Runs{0.0, 0.0, 5}), Error);
  EXPECT_TRUE(equivalent({-0.5, 0.5, 0.1, 0.2, -0.2}, published));
}

TEST(StudentT, MeetsKnownQuantiles) {
  EXPECT_NEAR(student_t_cdf(1.859548, 8), 0.95, 1e-7);
  EXPECT_NEAR(student_t_cdf(-1.859548, 8), 0.05, 1e-7);
  EXPECT_NEAR(student_t_cdf(1.0, 1), 0.75, 1e-10);  // Cauchy
  EXPECT_NEAR(student_t_cdf(2.0, 2), 0.5 + 2.0 / (2.0 * std::sqrt(2.0 + 4.0)), 1e-10);
  EXPECT_NEAR(student_t_cdf(1.959964, 1e6), 0.975, 1e-6);
}

TEST(Bootstrap, CoversTheMean) {
  const Rng rng(3);
  std::vector<double> values;
  for (int i = 0; i < 20; ++i) values.push_back(i % 2 == 0 ? 1.0 : -1.0);
  // Means of 20 signs: sd 1/√20 = 0.2236, so the interval is about ±0.44 in steps of 0.1.
  const auto interval = bootstrap_interval(values, rng);
  EXPECT_NEAR(interval.low, -0.4, 0.11);
  EXPECT_NEAR(interval.high, 0.4, 0.11);
  const auto constant = bootstrap_interval({2.0, 2.0, 2.0}, rng);
  EXPECT_DOUBLE_EQ(constant.low, 2.0);
  EXPECT_DOUBLE_EQ(constant.high, 2.0);
  EXPECT_EQ(bootstrap_interval(values, rng).low, interval.low);
}

TEST(PairedComparison, SpeaksByTheNumberOfSeeds) {
  const Rng rng(3);
  const std::vector<double> zeros(6, 0.0);
  EXPECT_EQ(compare_paired({1, 2, 3, 4, 5}, {2, 3, 4, 5, 7}, rng).verdict, "lower in all 5");
  EXPECT_EQ(compare_paired({1, 2, 3, 4, 5}, {0, 1, 2, 3, 7}, rng).verdict, "mixed");
  EXPECT_EQ(compare_paired({-1, -2, -1, -2, -1, -2}, zeros, rng).verdict, "lower");
  EXPECT_EQ(compare_paired({1, 2, 1, 2, 1, 2}, zeros, rng).verdict, "higher");
  EXPECT_EQ(compare_paired({1, -2, 1, 2, -1, 2}, zeros, rng).verdict, "no difference shown");
  EXPECT_DOUBLE_EQ(compare_paired({1, 2, 3}, {0, 0, 0}, rng).mean, 2.0);
  EXPECT_THROW(compare_paired({1}, {1, 2}, rng), Error);
}

}  // namespace
}  // namespace ganymede::evaluate
