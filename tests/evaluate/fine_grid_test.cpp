#include "evaluate/fine_grid.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.hpp"
#include "evaluate/mixtures.hpp"

namespace ganymede::evaluate {
namespace {

TEST(FineGrid, ProbabilitiesAreExact) {
  const auto mixture = test::of_centres(at::zeros({1, 2}, at::kDouble), 1.0);
  const auto p = fine_grid_probabilities(mixture, {-1.0, 1.0});  // 4 cells a side
  ASSERT_EQ(p.numel(), 17);
  const double inner = std::erf(0.5 / std::numbers::sqrt2) / 2.0, outer = std::erf(1.0 / std::numbers::sqrt2) / 2.0 - inner;
  EXPECT_NEAR(p[0].item<double>(), outer * outer, 1e-14);
  EXPECT_NEAR(p[1].item<double>(), outer * inner, 1e-14);
  EXPECT_NEAR(p[5].item<double>(), inner * inner, 1e-14);
  EXPECT_NEAR(p[16].item<double>(), 1.0 - 4.0 * (inner + outer) * (inner + outer), 1e-14);
  EXPECT_NEAR(fine_grid_probabilities(test::ring(), ring_box).sum().item<double>(), 1.0, 1e-12);
}

TEST(FineGrid, PutsSamplesIntoTheirCells) {
  const auto mixture = test::of_centres(at::zeros({1, 2}, at::kDouble), 1.0);
  const GridBox box{-1.0, 1.0};
  const auto p = fine_grid_probabilities(mixture, box);
  // First coordinate in cell 3, second in cell 1: a swap of the axes leaves the probability as it is, so the mixture is moved, too.
  const auto moved = test::of_centres(at::tensor({0.75, -0.25}, at::kDouble).unsqueeze(0), 1.0);
  const auto q = fine_grid_probabilities(moved, box);
  EXPECT_GT(q[13].item<double>(), q[7].item<double>());
  EXPECT_NEAR(fine_grid_tv(moved.centres.to(at::kFloat), moved, box), 1.0 - q[13].item<double>(), 1e-12);
  EXPECT_NEAR(fine_grid_tv(at::full({5, 2}, 1.0, at::kDouble), mixture, box), 1.0 - p[16].item<double>(), 1e-12);
}

// Section 25: mean of real data for n = 10,000; the range holds 95 % of sets.
TEST(FineGrid, ScoresItsFloorOnRealData) {
  struct Known {
    const char* name;
    MixtureModel mixture;
    GridBox box;
    double mean, low, high;
  };
  constexpr int sets = 20;
  for (const auto& k : {Known{"ring", test::ring(), ring_box, 0.1106, 0.106, 0.117},
                        Known{"3x3", test::grid(3, 1.5, 0.1), grid_box, 0.117, 0.109, 0.125},
                        Known{"5x5", test::grid(5, 1.5, 0.1), grid_box, 0.191, 0.186, 0.197},
                        Known{"7x7", test::grid(7, 1.5, 0.1), grid_box, 0.264, 0.256, 0.272}}) {
    double sum = 0;
    int within = 0;
    for (uint64_t seed = 0; seed < sets; ++seed) {
      const double tv = fine_grid_tv(test::draw(k.mixture, 10'000, seed), k.mixture, k.box);
      sum += tv;
      within += tv >= k.low && tv <= k.high;
    }
    EXPECT_NEAR(sum / sets, k.mean, 0.0025) << k.name;
    EXPECT_GE(within, sets - 4) << k.name;
  }
}

// Half the spread: mode counts stay perfect, the cells do not.
TEST(FineGrid, SeesTheShapeInsideTheModes) {
  const auto mixture = test::ring(), narrow = test::ring(8, 2.0, 0.05);
  EXPECT_GT(fine_grid_tv(test::draw(narrow, 10'000, 1), mixture, ring_box), 0.4);
}

TEST(FineGrid, ChoosesTheBoxesOfThePublicRuns) {
  const auto same = [](const std::optional<GridBox>& box, const GridBox& expected) {
    return box && std::abs(box->low - expected.low) < 1e-9 && std::abs(box->high - expected.high) < 1e-9;
  };
  EXPECT_TRUE(same(fine_grid_box(test::ring()), ring_box));
  EXPECT_TRUE(same(fine_grid_box(test::ring(8, 1.0, 0.01)), ring_box));
  EXPECT_TRUE(same(fine_grid_box(test::grid(5, 1.5, 0.1)), grid_box));
  EXPECT_TRUE(same(fine_grid_box(test::grid(7, 1.5, 0.1)), grid_box));
  EXPECT_TRUE(same(fine_grid_box(test::grid(5, 2.0, 0.05)), grid_box));
}

// Any box that holds the mixture gives the same figure, also for samples far outside.
TEST(FineGrid, MakesABoxThatTheCellsFill) {
  for (const auto& mixture : {test::ring(8, 20.0, 0.37), test::ring(8, 2.0, 0.07)}) {
    const auto box = fine_grid_box(mixture);
    ASSERT_TRUE(box);
    const auto points = test::draw(mixture, 2000, 3);
    points.slice(0, 0, 100).mul_(5.0);
    const double width = mixture.sd[0].item<double>() / 2, wider = box->high + 40 * width;
    EXPECT_NEAR(fine_grid_tv(points, mixture, *box), fine_grid_tv(points, mixture, {-wider, wider}), 1e-9);
  }
  EXPECT_FALSE(fine_grid_box(test::ring(8, 1000.0, 0.01)));
  EXPECT_FALSE(fine_grid_box(test::of_centres(at::zeros({1, 3}, at::kDouble), 1.0)));
}

TEST(FineGrid, RefusesWhatItCannotCut) {
  EXPECT_THROW(fine_grid_probabilities(test::ring(), {-3.0, 3.01}), Error);
  EXPECT_THROW(fine_grid_probabilities(test::of_centres(at::zeros({1, 3}, at::kDouble), 1.0), ring_box), Error);
  auto uneven = test::ring();
  uneven.sd = uneven.sd.clone();
  uneven.sd[2] = 0.2;
  EXPECT_THROW(fine_grid_probabilities(uneven, ring_box), Error);
}

}  // namespace
}  // namespace ganymede::evaluate
