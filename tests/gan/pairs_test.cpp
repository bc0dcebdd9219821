// D that sees a real and a fake side by side (gan-systems, section 43): losses, slots, and what gradient reaches the fakes.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <mutex>

#include "comm/thread_ranks.hpp"
#include "gan/adversary.hpp"
#include "gan/phases.hpp"
#include "gan/small_judge.hpp"
#include "parallel/small_trainer.hpp"

namespace ganymede::gan {
namespace {

using test::SmallJudge;
using test::vector;

Judged pair_of(const at::Tensor& outputs, const at::Tensor& slots) {
  auto judged = test::with_outputs(outputs);
  judged.slots = slots;
  return judged;
}

TEST(Pairs, MeetTheirClosedForms) {
  SmallJudge bench(1);
  const auto adversary = make_pair_adversary(LossScale::sum);
  const auto pair = [](double logit, double slot) { return pair_of(vector({logit}), vector({slot})); };
  const auto d = [&](double logit, double slot) { return adversary->on_both(pair(logit, slot), {}, bench.judge).item<double>(); };
  const auto g = [&](double logit, double slot) { return adversary->value(pair(logit, slot), {}, bench.judge).item<double>(); };
  EXPECT_NEAR(d(0.5, 1), 0.474077, 1e-6);
  EXPECT_NEAR(g(0.5, 1), 0.974077, 1e-6);
  EXPECT_NEAR(d(0.5, 0), 0.974077, 1e-6);
  EXPECT_NEAR(g(0.5, 0), 0.474077, 1e-6);
  for (const double slot : {0.0, 1.0}) {
    EXPECT_NEAR(d(0, slot), std::log(2.0), 1e-12);
    EXPECT_NEAR(g(0, slot), std::log(2.0), 1e-12);
  }
}

// Of N decisions, not of 2N; and a D with ℓ(a,b) = −ℓ(b,a) loses nothing by exchanging all slots.
TEST(Pairs, AverageOverDecisions) {
  SmallJudge bench(4);
  const auto adversary = make_pair_adversary(LossScale::sum);
  const auto outputs = vector({0.5, -1, 2, 0}), slots = vector({1, 0, 0, 1});
  const auto as_is = pair_of(outputs, slots), exchanged = pair_of(-outputs, 1.0 - slots);
  const auto d = [&](const Judged& pair) { return adversary->on_both(pair, {}, bench.judge).item<double>(); };
  const auto g = [&](const Judged& pair) { return adversary->value(pair, {}, bench.judge).item<double>(); };
  EXPECT_NEAR(d(as_is), (0.474077 + 0.313262 + 2.126928 + 0.693147) / 4, 1e-6);
  EXPECT_NEAR(d(exchanged), d(as_is), 1e-15);
  EXPECT_NEAR(g(exchanged), g(as_is), 1e-15);
  // Hits: ℓ > 0 where the real is first, ℓ < 0 where it is second; told through (2t−1)ℓ and its negative.
  const auto right = (2.0 * slots - 1.0) * outputs;
  const auto hits = adversary->hits(right, -right);
  EXPECT_EQ(hits.real, 2);
  EXPECT_EQ(hits.fake, 2);
}

struct Arranged {
  explicit Arranged(int64_t n) : bench(n, test::discriminator_of<test::Slope>(vector({2, 5}))) {
    GameSetup setup;
    setup.objective.d_batch = ObjectiveConfig::DBatch::paired;
    setup.precision = Precision::float64, setup.global_batch = n;
    game = make_game(setup, *bench.network);
    passes = make_passes(setup.objective.d_batch, game, bench.judge);
    phase.reals.samples = at::full({n, 1}, 0.25, at::kDouble);
    phase.reals.share = share_of_rank(0, 1, 1, 1, [&](int64_t) { return n; });
    phase.record.step = 3;
  }
  SmallJudge bench;
  Game game;
  std::unique_ptr<Passes> passes;
  Phase phase;
};

TEST(Pairs, PutTheRealWhereTheSlotSays) {
  constexpr int64_t n = 8;
  Arranged a(n);
  a.passes->with_fakes(a.phase, {{at::full({n, 1}, -1.0, at::kDouble)}, {}, {}}, [] {});
  const auto& record = a.phase.record;
  EXPECT_EQ(record.slots.sum().item<double>(), n / 2);
  // Real .25 first: 2·.25 − 5; second: −2 + 5·.25.
  EXPECT_TRUE(at::allclose(record.logit_real, -4.5 * record.slots - 0.75 * (1.0 - record.slots)));
}

TEST(Pairs, GiveTheGeneratorTheGradientOfTheFakesSlot) {
  constexpr int64_t n = 8;
  Arranged a(n);
  const auto leaf = at::full({n, 1}, -1.0, at::kDouble).requires_grad_(true);
  a.passes->generator(a.phase, {{leaf * 1.0}, {}, {}}, [] {});
  const auto t = a.phase.record.slots;
  EXPECT_EQ(t.sum().item<double>(), n / 2);
  const auto expected = (a.phase.record.logit_fake.sigmoid() - (1.0 - t)) / n * (5.0 * t + 2.0 * (1.0 - t));
  EXPECT_TRUE(at::allclose(leaf.grad().flatten(), expected, 1e-12, 1e-14));
}

// The slots of every phase, put together from all ranks.
class SlotListener final : public PhaseListener {
 public:
  using Slots = std::map<std::tuple<Player, int64_t, int64_t>, at::Tensor>;  // player, step, first place
  SlotListener(Slots& slots, std::mutex& mutex) : slots_(slots), mutex_(mutex) {}
  void on_gradient(const PhaseRecord& record, const at::Tensor&) override {
    const std::lock_guard lock(mutex_);
    slots_[{record.player, record.step, record.first_place}] = record.slots.clone();
  }

 private:
  Slots& slots_;
  std::mutex& mutex_;
};

std::map<std::pair<Player, int64_t>, at::Tensor> slots_on(int ranks) {
  test::TrainerOptions options;
  options.net = {nets::Kind::mlp, 4, 1};
  options.shape = {true, 0, 0, 0, 2};
  options.objective.d_batch = ObjectiveConfig::DBatch::paired;
  options.global_batch = 14;  // on 4 streams: ranks with unlike slices
  SlotListener::Slots slots;
  std::mutex mutex;
  comm::run_thread_ranks(ranks, [&](comm::Communicator& communicator) {
    test::SmallTrainer trainer(options, communicator);
    SlotListener listener(slots, mutex);
    trainer.step->listen(&listener);
    trainer.run(3);
  });
  std::map<std::pair<Player, int64_t>, at::Tensor> joined;
  for (const auto& [key, part] : slots) {
    auto& all = joined[{std::get<0>(key), std::get<1>(key)}];
    all = all.defined() ? at::cat({all, part}) : part;
  }
  return joined;
}

TEST(Slots, AreHalfOnesInEveryPhaseForEveryNumberOfRanks) {
  const auto one = slots_on(1);
  ASSERT_EQ(one.size(), 6u) << "three steps of each player";
  for (const auto& [key, slots] : one) EXPECT_EQ(slots.sum().item<double>(), 7) << name_of(key.first) << " step " << key.second;
  EXPECT_FALSE(at::equal(one.at({Player::discriminator, 0}), one.at({Player::discriminator, 1}))) << "drawn anew in each step";
  EXPECT_FALSE(at::equal(one.at({Player::discriminator, 0}), one.at({Player::generator, 0}))) << "and for each player";
  for (const int ranks : {2, 3}) {
    const auto others = slots_on(ranks);
    ASSERT_EQ(others.size(), one.size());
    for (const auto& [key, slots] : one)
      EXPECT_TRUE(at::equal(slots, others.at(key))) << ranks << " ranks, " << name_of(key.first) << " step " << key.second;
  }
}

}  // namespace
}  // namespace ganymede::gan
