// The balance controller's arithmetic (gan-systems, section 31), its limits, and that ranks decide alike.
#include "gan/balance.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "gan/small_judge.hpp"
#include "nets/thread_statistics.hpp"

namespace ganymede::gan {
namespace {

BalanceConfig config_of(BalanceConfig::Mode mode, int64_t every = 1) {
  BalanceConfig config;
  config.mode = mode, config.every_steps = every;
  return config;
}

TEST(Balance, SlowsAWinningDiscriminatorDown) {
  Balance balance{config_of(BalanceConfig::Mode::rate), 0.9, 0.0, {}};
  for (int i = 0; i < 10; ++i) balance.adjust();
  EXPECT_NEAR(balance.log_rate, -0.075, 1e-12);
  EXPECT_NEAR(balance.pace.d_rate, 0.927743, 1e-6);
  for (int i = 10; i < 307; ++i) balance.adjust();
  EXPECT_GT(balance.pace.d_rate, 0.1 + 1e-6);
  balance.adjust();
  EXPECT_DOUBLE_EQ(balance.pace.d_rate, 0.1) << "update 308";
  balance.adjust();
  EXPECT_DOUBLE_EQ(balance.pace.d_rate, 0.1);
  balance.accuracy = 0.0;
  for (int i = 0; i < 200; ++i) balance.adjust();
  EXPECT_DOUBLE_EQ(balance.pace.d_rate, 10.0) << "and bounded above";
}

TEST(Balance, SmoothsTheAccuracy) {
  Balance balance{config_of(BalanceConfig::Mode::rate), 0.75, 0.0, {}};
  balance.observe(1.0);
  EXPECT_DOUBLE_EQ(balance.accuracy, 0.98 * 0.75 + 0.02);
}

TEST(Balance, TradesSteps) {
  Balance balance{config_of(BalanceConfig::Mode::steps), 0, 0.0, Pace{3, 1, 1.0}};
  const auto after = [&](double accuracy) {
    balance.accuracy = accuracy;
    balance.adjust();
    return std::pair{balance.pace.d_steps, balance.pace.g_steps};
  };
  using Steps = std::pair<int64_t, int64_t>;
  EXPECT_EQ(after(0.95), (Steps{2, 1}));
  EXPECT_EQ(after(0.95), (Steps{1, 1}));
  EXPECT_EQ(after(0.95), (Steps{1, 2}));
  EXPECT_EQ(after(0.75), (Steps{1, 2})) << "between the marks nothing moves";
  EXPECT_EQ(after(0.5), (Steps{1, 1}));
  EXPECT_EQ(after(0.5), (Steps{2, 1}));
  for (int i = 0; i < 9; ++i) after(0.5);
  EXPECT_EQ(after(0.5), (Steps{5, 1})) << "at most 5";
  for (int i = 0; i < 20; ++i) after(0.95);
  EXPECT_EQ(after(0.95), (Steps{1, 5}));
}

// Figures of a controller by name.
double figure(const Controller& controller, const std::string& name) {
  for (const auto& [key, value] : controller.figures())
    if (key == name) return value;
  ADD_FAILURE() << "no figure " << name;
  return 0;
}

TEST(BalanceController, CountsHitsOfAllRanks) {
  constexpr int64_t n = 8;
  const std::vector<Hits> hits{{4, 3}, {1, 2}};  // of 5 and 3 rows: together 10 of 16
  std::vector<double> accuracies(2);
  nets::on_ranks(2, [&](int rank, nets::BatchStatistics& statistics) {
    test::SmallJudge bench(n, test::discriminator_of<test::Slope>(test::vector({1})), &statistics);
    const auto controller = make_balance(config_of(BalanceConfig::Mode::rate), {});
    controller->watch(hits[rank], {}, bench.judge);
    accuracies[rank] = figure(*controller, "balance_accuracy");
  });
  for (const double accuracy : accuracies) EXPECT_DOUBLE_EQ(accuracy, 0.98 * 0.75 + 0.02 * 10 / 16.0);
}

TEST(BalanceController, ActsAtItsInterval) {
  test::SmallJudge bench(2);
  const auto controller = make_balance(config_of(BalanceConfig::Mode::rate, 50), Pace{2, 1, 1.0});
  controller->watch({2, 2}, {}, bench.judge);  // all right: a = .755
  Pace pace{2, 1, 1.0};
  controller->steer(49, pace, bench.judge);
  EXPECT_EQ(pace.d_rate, 1.0);
  controller->steer(50, pace, bench.judge);
  EXPECT_NEAR(pace.d_rate, std::exp(-0.05 * 0.005), 1e-12);
  EXPECT_EQ(pace.d_steps, 2);
}

TEST(BalanceController, GoesOnWhereItWasSaved) {
  test::SmallJudge bench(2);
  for (const auto mode : {BalanceConfig::Mode::rate, BalanceConfig::Mode::steps}) {
    auto config = config_of(mode);
    config.high = 0.76;
    const auto first = make_balance(config, Pace{3, 1, 1.0});
    Pace pace{3, 1, 1.0}, resumed;
    const auto go_on = [&](Controller& controller, Pace& p, int from, int to) {
      for (int i = from; i < to; ++i) controller.watch({2, 2}, {}, bench.judge), controller.steer(i + 1, p, bench.judge);
    };
    go_on(*first, pace, 0, 4);
    State state;
    first->save(state);
    const auto second = make_balance(config, Pace{3, 1, 1.0});
    second->load(state, resumed);
    EXPECT_EQ(resumed.d_steps, pace.d_steps);
    EXPECT_EQ(resumed.g_steps, pace.g_steps);
    EXPECT_EQ(resumed.d_rate, pace.d_rate) << "before the next decision too";
    go_on(*first, pace, 4, 9), go_on(*second, resumed, 4, 9);
    EXPECT_EQ(first->figures(), second->figures());
    EXPECT_NE(pace.d_steps == 3 && pace.d_rate == 1.0, true) << "something had moved";
  }
}

}  // namespace
}  // namespace ganymede::gan
