// NaN and infinities in any tensor's gradient, on any rank: named, left out, or undone.
#include <gtest/gtest.h>

#include "comm/thread_ranks.hpp"
#include "parallel/small_trainer.hpp"

namespace ganymede {
namespace {

using test::SmallTrainer;
using test::TrainerOptions;

TrainerOptions small(bool is_mlp) {
  TrainerOptions options;
  options.net = is_mlp ? nets::NetworkConfig{nets::Kind::mlp, 4, 2} : nets::NetworkConfig{nets::Kind::dcgan, 2, 2};
  if (is_mlp) options.shape = {true, 0, 0, 0, 2};
  options.precision = gan::Precision::float32;
  options.parallel.bucket_mib = 0.1;
  return options;
}

// From now on, once: `value` in one element of this parameter's gradient.
void inject(at::Tensor parameter, double value) {
  auto is_armed = std::make_shared<bool>(true);
  parameter.register_hook([=](const at::Tensor& gradient) {
    if (!std::exchange(*is_armed, false)) return gradient;
    auto changed = gradient.clone(at::MemoryFormat::Contiguous);  // a channels-last one would be flattened into a copy
    changed.view(-1)[changed.numel() / 2].fill_(value);
    return changed;
  });
}

TEST(NotFinite, EachTensorKindAndRankIsNamed) {
  int cases = 0;
  for (const bool is_mlp : {true, false})
    for (const int ranks : {1, 2, 4})
      comm::run_thread_ranks(ranks, [&](comm::Communicator& communicator) {
        SmallTrainer trainer(small(is_mlp), communicator);
        int number = 0;
        for (const auto player : {gan::Player::generator, gan::Player::discriminator}) {
          const auto& flat = player == gan::Player::generator ? *trainer.flat_generator : *trainer.flat_discriminator;
          for (const auto& slot : flat.slots())
            for (const auto& [kind, value] : {std::pair{"NaN", NAN}, std::pair{"+Inf", INFINITY}, std::pair{"-Inf", -INFINITY}}) {
              const int culprit = number++ % ranks;
              const auto step = (player == gan::Player::generator ? trainer.adam_generator : trainer.adam_discriminator)->steps_done();
              if (communicator.rank() == culprit) inject(slot.parameter, value);
              std::string text;
              try {
                trainer.run(1);
              } catch (const gan::NotFinite& error) {
                EXPECT_EQ(error.exit_code(), 80);
                text = error.what();
              }
              trainer.step->abandon(60);
              for (const auto& word : {fmt::format("the {}'s gradient is not finite at its step {}", gan::name_of(player), step),
                                       fmt::format("{} of {}: {} in 1 of", slot.name, flat.network()->layer(std::stoul(slot.name)).describe(), kind),
                                       ranks == 1 ? std::string() : fmt::format("it came from rank {} on {}\n", culprit, communicator.hosts()[culprit])})
                EXPECT_NE(text.find(word), std::string::npos) << ranks << " ranks, " << slot.name << ", " << kind << ": no '" << word << "' in: " << text;
              if (communicator.rank() == 0) ++cases;
            }
        }
      });
  std::printf("%d gradients that are not finite were named\n", cases);
  EXPECT_GT(cases, 100);
}

TEST(NotFinite, AnUpdateLeftOutChangesNothingButCounters) {
  for (const int ranks : {1, 2, 4}) {
    std::vector<at::Tensor> weights(ranks);
    comm::run_thread_ranks(ranks, [&](comm::Communicator& communicator) {
      SmallTrainer trainer(small(false), communicator);
      trainer.step->guard().leave_out_all();
      trainer.run(2);
      for (const auto player : {gan::Player::generator, gan::Player::discriminator}) {
        const bool is_g = player == gan::Player::generator;
        const auto& flat = is_g ? *trainer.flat_generator : *trainer.flat_discriminator;
        const auto& adam = is_g ? *trainer.adam_generator : *trainer.adam_discriminator;
        const auto before = flat.weights().parameters.clone(), moment = adam.exp_avg().clone();
        const auto steps = adam.steps_done();
        if (communicator.rank() == ranks - 1) inject(flat.slots()[1].parameter, NAN);
        trainer.run(1);
        EXPECT_TRUE(at::equal(flat.weights().parameters, before)) << "the update is left out";
        EXPECT_TRUE(at::equal(adam.exp_avg(), moment));
        EXPECT_EQ(adam.steps_done(), steps + 1);
        trainer.run(1);
        EXPECT_FALSE(at::equal(flat.weights().parameters, before)) << "and training goes on";
      }
      EXPECT_EQ(trainer.step->guard().count(), 2);
      weights[communicator.rank()] = trainer.weights();
      EXPECT_TRUE(at::isfinite(trainer.weights()).all().item<bool>());
    });
    for (int r = 1; r < ranks; ++r) EXPECT_TRUE(at::equal(weights[r], weights[0])) << ranks;
  }
}

}  // namespace
}  // namespace ganymede
