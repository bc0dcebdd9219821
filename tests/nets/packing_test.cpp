#include "nets/packing.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "core/error.hpp"
#include "nets/thread_statistics.hpp"

namespace ganymede::nets {
namespace {

using Starts = std::vector<int64_t>;

// First rows of `ranks` ranks with shares as even as they can be.
Starts even(int64_t rows, int ranks) {
  Starts starts;
  for (int r = 0; r <= ranks; ++r) starts.push_back(rows * r / ranks);
  return starts;
}

TEST(Packing, OneSampleIsItself) {
  const auto x = at::randn({3, 2, 4, 4});
  EXPECT_TRUE(pack(x, 1, {}, nullptr).is_same(x));
}

TEST(Packing, JoinsConsecutiveSamplesOnChannels) {
  const auto x = at::randn({6, 2, 4, 4}).contiguous(at::MemoryFormat::ChannelsLast);
  const auto y = pack(x, 3, {}, nullptr);
  EXPECT_EQ(y.sizes(), (at::IntArrayRef{2, 6, 4, 4}));
  EXPECT_TRUE(y.is_contiguous(at::MemoryFormat::ChannelsLast));
  for (int64_t i = 0; i < 6; ++i) EXPECT_TRUE(at::equal(y[i / 3].slice(0, 2 * (i % 3), 2 * (i % 3) + 2), x[i]));
  EXPECT_TRUE(at::equal(pack(at::arange(12).view({6, 2}), 2, {}, nullptr), at::arange(12).view({3, 4})));
}

TEST(Packing, CountsPacksAndRefusesRests) {
  EXPECT_EQ(pack(at::zeros({256, 2}), 2, {}, nullptr).size(0), 128);
  EXPECT_EQ(pack_starts({0, 64, 128, 192, 256}, 2), (Starts{0, 32, 64, 96, 128}));
  EXPECT_EQ(pack_starts(even(300, 4), 3), (Starts{0, 25, 50, 75, 100}));
  EXPECT_EQ(pack_starts({0, 1, 2, 5, 9}, 3), (Starts{0, 1, 1, 2, 3}));
  EXPECT_THROW(pack_starts({0, 2, 5}, 2), Error);
  EXPECT_THROW(pack(at::zeros({5, 2}), 2, {}, nullptr), Error);
}

// Values, slopes and second slopes of N samples packed by m are those of one process, whoever holds which.
TEST(Packing, PacksThatStraddleRanksEqualThoseOfOneProcess) {
  at::manual_seed(4);
  struct Split {
    int64_t m;
    Starts starts;
  };
  std::vector<Split> splits{{3, even(300, 2)}, {3, even(300, 4)}, {2, even(50, 3)}, {4, even(52, 4)}, {3, {0, 149, 300}}, {3, {0, 77, 80, 151, 300}}};
  splits.push_back({4, {0, 1, 2, 3, 4}});  // a pack over four ranks; three have none of their own
  splits.push_back({3, {0, 2, 2, 9}});
  splits.push_back({2, {0, 4, 8}});
  for (const auto& [m, starts] : splits) {
    const int ranks = static_cast<int>(starts.size()) - 1;
    const int64_t rows = starts.back(), count = m;
    const auto x = at::randn({rows, 2, 2, 2}, at::kDouble), weight = at::randn({count * 8, 3}, at::kDouble);
    const auto slopes = [&](const at::Tensor& own, BatchStatistics* statistics) {
      const auto at_x = own.clone().requires_grad_(true), w = weight.clone().requires_grad_(true);
      const auto y = pack(at_x, count, statistics ? starts : Starts{}, statistics);
      const auto loss = at::tanh(at::matmul(y.flatten(1), w)).sum();
      const auto dx = torch::autograd::grad({loss}, {at_x}, {}, std::nullopt, /*create_graph=*/true)[0];
      const auto second = torch::autograd::grad({dx.square().sum()}, {w, at_x});
      return std::vector<at::Tensor>{y.detach(), dx.detach(), second[1], second[0]};
    };
    const auto expected = slopes(x, nullptr);
    std::vector<std::vector<at::Tensor>> found(ranks);
    on_ranks(ranks, [&](int r, BatchStatistics& statistics) {
      found[r] = slopes(slice_of(x, starts, r), &statistics);
      const auto packs = pack_starts(starts, count);
      EXPECT_EQ(found[r][0].size(0), packs[r + 1] - packs[r]);
    });
    for (size_t i = 0; i < expected.size(); ++i) {
      std::vector<at::Tensor> parts;
      for (const auto& of_rank : found) parts.push_back(of_rank[i]);
      const auto joined = i == 3 ? at::stack(parts).sum(0) : at::cat(parts);
      ASSERT_EQ(joined.sizes(), expected[i].sizes());
      EXPECT_LE((joined - expected[i]).abs().max().item<double>(), 1e-11 * (1 + expected[i].abs().max().item<double>()))
          << count << " samples a pack, ranks from " << fmt::format("{}", fmt::join(starts, ", ")) << ", tensor " << i;
    }
  }
}

TEST(Packing, RanksThatCannotReachEachOtherAreABug) { EXPECT_THROW(pack(at::zeros({3, 1}), 2, {0, 3, 6}, nullptr), Error); }

}  // namespace
}  // namespace ganymede::nets
