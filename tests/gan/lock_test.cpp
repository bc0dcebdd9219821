// Who moves when, seen from inside whole steps: one player's update leaves the other's weights alone bit by bit, frozen layers stay,
// steps come in their order, and reused fakes are D's.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <functional>
#include <map>

#include "comm/solo.hpp"
#include "parallel/small_trainer.hpp"

namespace ganymede::gan {
namespace {

using test::SmallTrainer;
using test::TrainerOptions;

at::Tensor parameters_of(const nets::Network& network) {
  std::vector<at::Tensor> all;
  for (const auto& p : network.parameters()) all.push_back(p.detach().flatten());
  return at::cat(all);
}

// Called when a phase's gradient is there, before its update; the update of the phase before has been made.
class Watcher final : public PhaseListener {
 public:
  explicit Watcher(std::function<void(const PhaseRecord&, const at::Tensor&)> body) : body_(std::move(body)) {}
  void on_gradient(const PhaseRecord& record, const at::Tensor& gradient) override { body_(record, gradient); }

 private:
  std::function<void(const PhaseRecord&, const at::Tensor&)> body_;
};

TrainerOptions mlp() {
  TrainerOptions options;
  options.net = {nets::Kind::mlp, 8, 2};
  options.shape = {true, 0, 0, 0, 2};
  return options;
}

struct Snapshot {
  Player player;
  at::Tensor generator, discriminator, generator_gradient, discriminator_gradient;
};

std::vector<Snapshot> snapshots(const TrainerOptions& options, int iterations) {
  const auto communicator = comm::solo();
  SmallTrainer trainer(options, *communicator);
  std::vector<Snapshot> all;
  Watcher watcher([&](const PhaseRecord& record, const at::Tensor&) {
    all.push_back({record.player, parameters_of(*trainer.generator), parameters_of(*trainer.discriminator),
                   trainer.flat_generator->weights().gradients.clone(), trainer.flat_discriminator->weights().gradients.clone()});
  });
  trainer.step->listen(&watcher);
  for (int i = 0; i < iterations; ++i) trainer.run(1);  // settled: no phase of the next iteration has begun when G's update is made
  all.push_back({Player::generator, parameters_of(*trainer.generator), parameters_of(*trainer.discriminator), {}, {}});
  return all;
}

TEST(Lock, AnUpdateMovesOnePlayerOnly) {
  auto pictures = TrainerOptions{};
  auto both = mlp(), penalized = mlp();
  both.objective.d_steps = 2, both.objective.g_steps = 3;
  penalized.regularizers.gradient_penalty.weight = 10, penalized.tricks.feature_matching.weight = 1;
  for (const auto& options : {mlp(), pictures, both, penalized}) {
    const auto seen = snapshots(options, 3);
    ASSERT_EQ(seen.size(), static_cast<size_t>(3 * (options.objective.d_steps + options.objective.g_steps) + 1));
    for (size_t i = 0; i + 1 < seen.size(); ++i) {
      const bool d_moved = seen[i].player == Player::discriminator;
      EXPECT_EQ(at::equal(seen[i].discriminator, seen[i + 1].discriminator), !d_moved) << "phase " << i;
      EXPECT_EQ(at::equal(seen[i].generator, seen[i + 1].generator), d_moved) << "phase " << i;
    }
  }
}

// G's phase adds nothing to D's gradient (left over, it would join D's next step), nor D's to G's.
TEST(Lock, AGradientReachesOnePlayerOnly) {
  auto reusing = mlp();
  reusing.tricks.reuse_fakes = true;  // D's phase then holds fakes with their graph to G
  for (const auto& options : {mlp(), reusing}) {
    const auto seen = snapshots(options, 3);
    for (size_t i = 0; i + 2 < seen.size(); ++i) {
      const auto idle = seen[i + 1].player == Player::generator ? &Snapshot::discriminator_gradient : &Snapshot::generator_gradient;
      EXPECT_TRUE(at::equal(seen[i].*idle, seen[i + 1].*idle)) << "phase " << i;
      EXPECT_GT((seen[i].*idle).abs().max().item<double>(), 0) << "phase " << i;
    }
  }
}

TEST(Steps, ComeInTheirOrderAndNumber) {
  auto options = mlp();
  options.objective.d_steps = 3;
  for (const auto order : {ObjectiveConfig::Order::d_first, ObjectiveConfig::Order::g_first}) {
    options.objective.order = order;
    const auto communicator = comm::solo();
    SmallTrainer trainer(options, *communicator);
    std::string players;
    std::vector<int64_t> d_steps, d_turns, g_steps;
    at::Tensor reals, latents;
    Watcher watcher([&](const PhaseRecord& record, const at::Tensor&) {
      const bool is_d = record.player == Player::discriminator;
      players += is_d ? 'D' : 'G';
      (is_d ? d_steps : g_steps).push_back(record.step);
      if (!is_d) return;
      d_turns.push_back(record.turn);
      EXPECT_FALSE(reals.defined() && at::equal(reals, record.real)) << "each D step has new reals";
      EXPECT_FALSE(latents.defined() && at::equal(latents, record.latents)) << "and new latents";
      reals = record.real, latents = record.latents;
    });
    trainer.step->listen(&watcher);
    trainer.run(2);
    EXPECT_EQ(players, order == ObjectiveConfig::Order::d_first ? "DDDGDDDG" : "GDDDGDDD");
    EXPECT_EQ(d_steps, (std::vector<int64_t>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(d_turns, (std::vector<int64_t>{0, 1, 2, 0, 1, 2}));
    EXPECT_EQ(g_steps, (std::vector<int64_t>{0, 1}));
    EXPECT_EQ(trainer.adam_discriminator->steps_done(), 3 * trainer.adam_generator->steps_done());
    EXPECT_EQ(trainer.reals_drawn, 2 * 3 * options.global_batch);
  }
}

// Both gradients are those at the weights before either update: G's is what G-first play would have computed.
TEST(Steps, MayBeSimultaneous) {
  std::array<at::Tensor, 2> gradients;
  for (const auto order : {ObjectiveConfig::Order::simultaneous, ObjectiveConfig::Order::g_first}) {
    auto options = mlp();
    options.objective.order = order;
    const auto communicator = comm::solo();
    SmallTrainer trainer(options, *communicator);
    Watcher watcher([&](const PhaseRecord& record, const at::Tensor& gradient) {
      if (record.player == Player::generator) gradients[order == ObjectiveConfig::Order::g_first] = gradient.clone();
    });
    trainer.step->listen(&watcher);
    trainer.run(1);
  }
  EXPECT_TRUE(at::allclose(gradients[0], gradients[1], 1e-12, 1e-15));
}

// Reals and fakes as rows of one pass: where no layer mixes samples, the same game.
TEST(Steps, MayJudgeBothHalvesInOnePass) {
  std::array<at::Tensor, 2> weights;
  for (const bool joint : {false, true}) {
    auto options = mlp();
    if (joint) options.objective.d_batch = ObjectiveConfig::DBatch::joint;
    const auto communicator = comm::solo();
    SmallTrainer trainer(options, *communicator);
    trainer.run(5);
    weights[joint] = trainer.weights();
  }
  EXPECT_TRUE(at::allclose(weights[0], weights[1], 1e-9, 1e-12));
}

TEST(FreezeD, KeepsTheFirstLayersBitwise) {
  auto options = mlp();
  options.tricks.freeze_d = 2;
  const auto communicator = comm::solo();
  SmallTrainer trainer(options, *communicator);
  std::map<std::string, at::Tensor> before;
  for (const auto& p : trainer.discriminator->named_parameters()) before[p.key()] = p.value().detach().clone();
  trainer.run(3);
  for (const auto& p : trainer.discriminator->named_parameters()) {
    const bool is_frozen = p.key().starts_with("0.") || p.key().starts_with("2.");  // 1 and 3 are activations
    EXPECT_EQ(at::equal(p.value(), before[p.key()]), is_frozen) << p.key();
  }
}

TEST(ReuseFakes, TakesDsLastFakesAndTheirLatents) {
  for (const bool reuses : {true, false}) {
    auto options = mlp();
    options.tricks.reuse_fakes = reuses;
    options.objective.d_steps = 2, options.objective.g_steps = 2;
    const auto communicator = comm::solo();
    SmallTrainer trainer(options, *communicator);
    at::Tensor of_d;
    Watcher watcher([&](const PhaseRecord& record, const at::Tensor& gradient) {
      if (record.player == Player::discriminator) {
        of_d = record.latents;
        return;
      }
      EXPECT_EQ(at::equal(record.latents, of_d), reuses) << "turn " << record.turn;
      // D has moved, G has not: what D says now of G's samples of those latents, and the gradient that follows.
      const auto logits = trainer.discriminator->forward(trainer.generator->forward(record.latents));
      EXPECT_TRUE(at::allclose(record.logit_fake, logits.detach(), 1e-12, 1e-14)) << "turn " << record.turn;
      const auto loss = generator_loss(logits, options.objective.loss, static_cast<double>(options.global_batch));
      const auto last = trainer.generator->parameters().back();  // the output's bias
      const auto expected = torch::autograd::grad({loss}, {last}).front();
      EXPECT_TRUE(at::allclose(last.grad(), expected, 1e-11, 1e-14)) << "turn " << record.turn;
    });
    trainer.step->listen(&watcher);
    trainer.run(3);
  }
}

}  // namespace
}  // namespace ganymede::gan
