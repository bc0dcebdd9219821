#include "evaluate/coverage.hpp"

#include <ATen/ops/bincount.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "evaluate/diversity.hpp"
#include "evaluate/mixtures.hpp"
#include "evaluate/pairwise.hpp"

namespace ganymede::evaluate {
namespace {

// gan-systems, section 25: two draws of 512 over 16 equal cells.
TEST(Turnover, BetweenEqualSourcesHasItsFloor) {
  constexpr int pairs = 100;
  double sum = 0;
  for (uint64_t seed = 0; seed < pairs; ++seed) {
    const auto cell = (Rng(seed).uniform({.purpose = Purpose::data}, 0, 2, 512) * 16.0).to(at::kLong);
    const auto share = [&](int64_t row) { return at::bincount(cell[row], {}, 16).to(at::kDouble) / 512.0; };
    sum += turnover(share(0), share(1));
  }
  EXPECT_NEAR(sum / pairs, 0.0967, 0.006);
}

at::Tensor at_centres(const at::Tensor& centres, std::initializer_list<int64_t> repeats) {
  std::vector<at::Tensor> rows;
  int64_t j = 0;
  for (const auto n : repeats) rows.push_back(centres.slice(0, j, j + 1).repeat({n, 1})), ++j;
  return at::cat(rows);
}

TEST(Coverage, TellsLostTurnedOverAndForgottenParts) {
  const auto centres = test::ring(4).centres;
  Coverage coverage(centres);
  const auto r = at_centres(centres, {25, 25, 25, 25}), r2 = at_centres(centres, {30, 20, 25, 25});
  auto report = coverage.see(at_centres(centres, {50, 50, 0, 0}), r, r2);
  EXPECT_DOUBLE_EQ(report.lost, 0.5);
  EXPECT_DOUBLE_EQ(report.turnover, 0.0);
  EXPECT_DOUBLE_EQ(report.turnover_of_reals, 0.05);
  EXPECT_DOUBLE_EQ(report.forgotten, 0.0);
  report = coverage.see(at_centres(centres, {0, 90, 7, 3}), r, r2);  // 7 % are more than a quarter of 25 %, 3 % are not
  EXPECT_DOUBLE_EQ(report.lost, 0.5);
  EXPECT_DOUBLE_EQ(report.turnover, 0.5);
  EXPECT_DOUBLE_EQ(report.forgotten, 0.25);
}

TEST(Coverage, ForgetsWhatWasCoveredMoreThanTwentyChecksAgo) {
  const auto centres = test::ring(4).centres;
  Coverage coverage(centres);
  const auto r = at_centres(centres, {25, 25, 25, 25});
  coverage.see(r, r, r);
  const auto one = at_centres(centres, {100, 0, 0, 0});
  for (int i = 0; i < 20; ++i) EXPECT_DOUBLE_EQ(coverage.see(one, r, r).forgotten, 0.75) << i;
  EXPECT_DOUBLE_EQ(coverage.see(one, r, r).forgotten, 0.0);
}

TEST(Coverage, GoesOnWhereItWasSaved) {
  const auto centres = test::ring(4).centres;
  Coverage before(centres), empty(centres);
  State state;
  before.save(state, "fresh");
  const auto r = at_centres(centres, {25, 25, 25, 25}), y = at_centres(centres, {100, 0, 0, 0});
  before.see(r, r, r);
  before.save(state, "monitor/coverage");
  Coverage after(at::zeros_like(centres));
  after.load(state, "monitor/coverage");
  const auto a = before.see(y, r, r), b = after.see(y, r, r);
  EXPECT_EQ(a.turnover, b.turnover);
  EXPECT_EQ(b.turnover, 0.75);
  EXPECT_EQ(b.forgotten, 0.75);
  after.load(state, "fresh");
  EXPECT_EQ(after.see(y, r, r).turnover, 0.0);
  EXPECT_THROW(after.load(state, "elsewhere"), Error);
}

// k-means++ finds one centroid a mode of well separated ones; Lloyd's rounds bring each to its mean.
TEST(Kmeans, FindsSeparatedModes) {
  const auto mixture = test::ring();
  const auto points = test::draw(mixture, 2000, 4);
  int found = 0;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const auto centroids = kmeans_centroids(points, 8, Rng(seed));
    const auto distance = nearest_centre(mixture.centres, centroids).distance;
    found += (distance < 0.05).all().item<bool>();
  }
  EXPECT_GE(found, 5);  // a poor start can leave two centroids in one mode
  EXPECT_TRUE(at::equal(kmeans_centroids(points, 16, Rng(7)), kmeans_centroids(points, 16, Rng(7))));
  EXPECT_FALSE(at::equal(kmeans_centroids(points, 16, Rng(7)), kmeans_centroids(points, 16, Rng(8))));
  EXPECT_TRUE(at::equal(kmeans_centroids(at::ones({20, 3}, at::kFloat), 4, Rng(1)), at::ones({4, 3}, at::kDouble)));
  EXPECT_THROW(kmeans_centroids(points.slice(0, 0, 3), 4, Rng(1)), Error);
}

TEST(Diversity, MeetsItsClosedForms) {
  const auto x = at::tensor({0.0, 0.0, 2.0, 4.0}, at::kDouble).reshape({2, 2});  // variances 1 and 4
  EXPECT_DOUBLE_EQ(spread(x), 5.0);
  EXPECT_NEAR(spread(x + 1e6), 5.0, 1e-6);
  EXPECT_NEAR(minibatch_deviation(x), 1.5, 1e-8);
  EXPECT_NEAR(minibatch_deviation(at::ones({4, 3}, at::kDouble)), 1e-4, 1e-12);
  EXPECT_NEAR(effective_classes(at::tensor({1.0, 0.0, 0.0, 0.0, 1.0, 0.0}, at::kDouble).reshape({2, 3})), 2.0, 1e-12);
  EXPECT_NEAR(effective_classes(at::full({5, 10}, 0.1, at::kDouble)), 10.0, 1e-9);
}

// In float32, 1e-4 apart at distance 100 from the mean: the matrix product alone would call them equal, or not, by rounding.
TEST(Diversity, DuplicatesAreJudgedByTheirDifference) {
  auto x = at::zeros({4, 3}, at::kFloat);
  x.select(1, 0).copy_(at::tensor({100.0, 100.0, -100.0, -50.0}));
  x[1][1] = 1e-4;
  const auto squared = squared_distances(x, x);
  EXPECT_DOUBLE_EQ(duplicate_share(x, squared, 1.01e-4), 0.5);
  EXPECT_DOUBLE_EQ(duplicate_share(x, squared, 0.99e-4), 0.0);
}

}  // namespace
}  // namespace ganymede::evaluate
