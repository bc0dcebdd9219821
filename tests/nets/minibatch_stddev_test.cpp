#include "nets/minibatch_stddev.hpp"

#include "core/error.hpp"
#include "nets/layer_derivatives.hpp"

namespace ganymede::nets {
namespace {

const at::Tensor twelve = at::tensor({0., 0., 0., 0., 1., 2., 3., 4., 100., 200., 300., 400.}, at::kDouble).view({12, 1, 1, 1});

// gan-systems 18.
TEST(MinibatchStddev, MeetsItsClosedForm) {
  MinibatchStddev layer(4, 1);
  const auto y = layer.forward(twelve, {});
  EXPECT_EQ(y.sizes(), (at::IntArrayRef{12, 2, 1, 1}));
  EXPECT_TRUE(at::equal(y.narrow(1, 0, 1), twelve));
  const double expected[] = {1.000e-4, 1.118034, 111.803399};
  for (int64_t i = 0; i < 12; ++i) EXPECT_NEAR(y[i][1].item<double>(), expected[i / 4], 5e-7);
  const auto strided = layer.forward(twelve.view({4, 3}).t().reshape({12, 1, 1, 1}), {});  // groups of stride N/4
  EXPECT_NEAR(strided[0][1].item<double>(), 86.178, 5e-4);
  EXPECT_NEAR(strided[4][1].item<double>(), 129.191, 5e-4);
  EXPECT_NEAR(strided[8][1].item<double>(), 163.557, 5e-4);
}

TEST(MinibatchStddev, EqualSamplesHaveAFiniteSlope) {
  for (const int64_t group : {int64_t{1}, int64_t{4}}) {
    MinibatchStddev layer(group, 1);
    const auto x = at::full({8, 2, 3, 3}, 0.7, at::kDouble).requires_grad_(true);
    const auto y = layer.forward(x, {});
    EXPECT_NEAR(y[0][2][0][0].item<double>(), 1e-4, 1e-12);
    EXPECT_EQ(torch::autograd::grad({y.narrow(1, 2, 1).sum()}, {x})[0].abs().max().item<double>(), 0.0);
  }
}

TEST(MinibatchStddev, EachPartOfTheChannelsHasItsMap) {
  at::manual_seed(1);
  const auto x = at::randn({4, 6, 3, 2}, at::kDouble).contiguous(at::MemoryFormat::ChannelsLast);
  MinibatchStddev layer(4, 3), one(4, 1);
  const auto y = layer.forward(x, {});
  EXPECT_EQ(y.sizes(), (at::IntArrayRef{4, 9, 3, 2}));
  EXPECT_TRUE(y.is_contiguous(at::MemoryFormat::ChannelsLast));
  for (int64_t f = 0; f < 3; ++f) {
    const auto part = one.forward(x.narrow(1, 2 * f, 2), {}).narrow(1, 2, 1);
    EXPECT_TRUE(at::allclose(y.narrow(1, 6 + f, 1), part, 1e-12, 1e-12));
  }
  EXPECT_EQ(layer.forward(at::randn({8, 6}), {}).sizes(), (at::IntArrayRef{8, 9}));
}

TEST(MinibatchStddev, EqualsItsFiniteDifferences) {
  at::manual_seed(2);
  for (const int64_t group : {int64_t{1}, int64_t{4}}) {
    MinibatchStddev layer(group, 2);
    expect_finite_differences(layer, at::randn({8, 4, 3, 3}, at::kDouble), {}, 1e-5);
  }
}

TEST(MinibatchStddev, IsThatOfOneProcessWhereGroupsStraddle) {
  at::manual_seed(3);
  for (const Starts& starts : {Starts{0, 48}, {0, 24, 48}, {0, 16, 32, 48}, {0, 17, 34, 52}, {0, 12, 24, 36, 48}, {0, 13, 26, 39, 52}, {0, 1, 2, 3, 8},
                               {0, 5, 5, 12}})
    for (const int64_t group : {int64_t{1}, int64_t{4}, int64_t{64}}) {
      const auto make = [&] { return std::make_shared<MinibatchStddev>(group, 2); };
      expect_equal_on_ranks(make, at::randn({starts.back(), 4, 2, 3}, at::kDouble), starts);
    }
}

// Where all groups lie on one rank each nothing is sent: no collective is met by the statistics that throw.
TEST(MinibatchStddev, WholeGroupsNeedNoOtherRank) {
  struct Silent final : BatchStatistics {
    int rank() const override { return 1; }
    at::Tensor all_gather(const at::Tensor&, const char* what) override { throw Error(Fault::bug, "{}", what); }
    void all_reduce_sum(at::Tensor, const char* what) override { throw Error(Fault::bug, "{}", what); }
  } silent;
  MinibatchStddev layer(4, 1);
  layer.share_statistics(&silent);
  EXPECT_NO_THROW(layer.forward(at::randn({8, 1}), pass_of({range_of({0, 4, 12}, 1)})));
  EXPECT_THROW(layer.forward(at::randn({7, 1}), pass_of({range_of({0, 5, 12}, 1)})), Error);
}

TEST(MinibatchStddev, RangesAreJudgedApartAndTheReferenceAlone) {
  const Starts starts{0, 6, 12};
  const auto reals = at::randn({12, 2}, at::kDouble), fakes = at::randn({12, 2}, at::kDouble), reference = at::randn({6, 2}, at::kDouble);
  MinibatchStddev whole(4, 1), six(6, 1);
  const auto of_reals = whole.forward(reals, {}), of_fakes = whole.forward(fakes, {});
  on_ranks(2, [&](int r, BatchStatistics& statistics) {
    MinibatchStddev layer(4, 1);
    layer.share_statistics(&statistics);
    const RowRange reference_rows{Source::reference, 6, 0, 6, {}, {}};
    const auto y = layer.forward(at::cat({slice_of(reals, starts, r), slice_of(fakes, starts, r), reference}),
                                 pass_of({range_of(starts, r), range_of(starts, r, Source::d_fake), reference_rows}));
    EXPECT_TRUE(at::allclose(y.slice(0, 0, 6), slice_of(of_reals, starts, r), 1e-12, 1e-12));
    EXPECT_TRUE(at::allclose(y.slice(0, 6, 12), slice_of(of_fakes, starts, r), 1e-12, 1e-12));
    EXPECT_NEAR(y[12][2].item<double>(), MinibatchStddev(4, 1).forward(reference.slice(0, 0, 4), {})[0][2].item<double>(), 1e-12);
    EXPECT_NEAR(y[16][2].item<double>(), MinibatchStddev(2, 1).forward(reference.slice(0, 4, 6), {})[0][2].item<double>(), 1e-12);
  });
}

TEST(MinibatchStddev, WhatDoesNotDivideIsABug) {
  EXPECT_THROW(MinibatchStddev(4, 1).forward(at::zeros({6, 2}), {}), Error);
  EXPECT_THROW(MinibatchStddev(4, 3).forward(at::zeros({8, 4}), {}), Error);
}

}  // namespace
}  // namespace ganymede::nets
