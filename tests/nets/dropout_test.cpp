#include "nets/dropout.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace ganymede::nets {
namespace {

Pass pass_of(const Rng& rng, std::vector<RowRange> ranges, int64_t step = 0) {
  Pass pass;
  pass.ranges = std::move(ranges), pass.rng = &rng, pass.step = step;
  return pass;
}

RowRange rows_at(int64_t first, int64_t rows, Source source = Source::d_real) { return {source, rows, first, rows, {}, {}}; }

// gan-systems 10: values {0, 2}, mean 1 ± 0.01 over 1e5 of them.
TEST(Dropout, KeepsHalfOfOnesDoubled) {
  const Rng rng(3);
  Dropout dropout(0.5, false, 2);
  const auto y = dropout.forward(at::ones({100, 1000}), pass_of(rng, {rows_at(0, 100)}));
  EXPECT_TRUE(((y == 0) | (y == 2)).all().item<bool>());
  EXPECT_NEAR(y.mean().item<double>(), 1.0, 0.01);
}

TEST(Dropout, ScalesWhatItKeeps) {
  const Rng rng(3);
  Dropout dropout(0.3, false, 0);
  const auto y = dropout.forward(at::ones({100, 1000}, at::kDouble), pass_of(rng, {rows_at(0, 100)}));
  EXPECT_NEAR(y.max().item<double>(), 1 / 0.7, 1e-12);
  EXPECT_NEAR((y > 0).to(at::kDouble).mean().item<double>(), 0.7, 0.01);
}

TEST(Dropout, EvaluationIsTheIdentity) {
  Dropout dropout(0.5, false, 2);
  dropout.eval();
  const auto x = at::randn({3, 4});
  EXPECT_TRUE(dropout.forward(x, {}).is_same(x));
}

// Element e of the sample at a place, in the order of a picture on disk, whatever the layout in memory and whoever holds it.
TEST(Dropout, ThePlaceDecides) {
  const Rng rng(11);
  constexpr int64_t layer = 5, step = 7, first = 13;
  Dropout dropout(0.4, false, layer);
  const auto x = at::ones({2, 3, 4, 2});
  for (const auto& input : {x, x.contiguous(at::MemoryFormat::ChannelsLast)}) {
    const auto y = dropout.forward(input, pass_of(rng, {rows_at(first, 2, Source::g_fake)}, step));
    const auto u = rng.uniform(Draw{Purpose::dropout, step, 8 * layer + 3}, first, 2, 24);
    for (int64_t b = 0; b < 2; ++b)
      for (int64_t h = 0; h < 4; ++h)
        for (int64_t w = 0; w < 2; ++w)
          for (int64_t c = 0; c < 3; ++c)
            EXPECT_EQ(y[b][c][h][w].item<float>() != 0, u[b][(h * 2 + w) * 3 + c].item<double>() >= 0.4);
  }
}

TEST(Dropout, AnySliceOfTheBatchHasTheMaskOfTheWhole) {
  const Rng rng(4);
  Dropout dropout(0.5, false, 1);
  const auto x = at::randn({7, 3, 4, 4});
  const auto whole = dropout.forward(x, pass_of(rng, {rows_at(0, 7)}));
  const auto first = dropout.forward(x.slice(0, 0, 3), pass_of(rng, {rows_at(0, 3)}));
  const auto second = dropout.forward(x.slice(0, 3, 7), pass_of(rng, {rows_at(3, 4)}));
  EXPECT_TRUE(at::equal(at::cat({first, second}), whole));
  RowRange micro{Source::d_real, 2, 0, 7, at::tensor({5, 1}, at::kLong), {}};  // two chosen rows of a rank's seven
  EXPECT_TRUE(at::equal(dropout.forward(at::stack({x[5], x[1]}), pass_of(rng, {micro})), at::stack({whole[5], whole[1]})));
}

TEST(Dropout, StepsLayersAndSourcesDiffer) {
  const Rng rng(4);
  const auto x = at::ones({4, 64});
  Dropout dropout(0.5, false, 1), next(0.5, false, 2);
  const auto y = dropout.forward(x, pass_of(rng, {rows_at(0, 4)}));
  EXPECT_FALSE(at::equal(y, dropout.forward(x, pass_of(rng, {rows_at(0, 4)}, 1))));
  EXPECT_FALSE(at::equal(y, next.forward(x, pass_of(rng, {rows_at(0, 4)}))));
  const std::vector<RowRange> three{rows_at(0, 4), rows_at(0, 4, Source::d_fake), rows_at(0, 4, Source::reference)};
  const auto joint = dropout.forward(at::cat({x, x, x}), pass_of(rng, three));
  EXPECT_TRUE(at::equal(joint.slice(0, 0, 4), y));
  EXPECT_FALSE(at::equal(joint.slice(0, 4, 8), y));
  EXPECT_TRUE(at::equal(joint.slice(0, 8, 12), x)) << "the reference batch is left alone";
}

TEST(Dropout, ByChannelDropsWholeChannels) {
  const Rng rng(4);
  Dropout dropout(0.5, true, 0);
  const auto y = dropout.forward(at::ones({50, 16, 3, 3}), pass_of(rng, {rows_at(0, 50)}));
  const auto sums = y.sum({2, 3});
  EXPECT_TRUE(((sums == 0) | (sums == 18)).all().item<bool>());
  const auto u = rng.uniform(Draw{Purpose::dropout, 0, 0}, 0, 50, 16);
  EXPECT_TRUE(at::equal(sums > 0, u >= 0.5));
}

TEST(Dropout, TrainingWithoutNumbersIsABug) {
  Dropout dropout(0.5, false, 0);
  EXPECT_THROW(dropout.forward(at::ones({2, 2}), {}), Error);
}

}  // namespace
}  // namespace ganymede::nets
