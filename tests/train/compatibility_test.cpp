#include "train/compatibility.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace ganymede::train {
namespace {

// Coloured pictures of 32 pixels without classes, and a recipe as it is read without a key.
const RunFactsForRules plain_facts{64, 64, {false, 32, 32, 3, 0}, 0};

std::vector<std::string> warned(const std::function<void(RunConfig&, RunFactsForRules&)>& change) {
  RunConfig config;
  RunFactsForRules facts = plain_facts;
  change(config, facts);
  std::vector<std::string> keys;
  for (const auto& finding : warnings(config, facts)) keys.push_back(finding.key);
  return keys;
}

void digits(RunFactsForRules& f) { f.shape = {false, 28, 28, 1, 0}, f.classes = 10; }

TEST(Warnings, NoneForPlainRecipes) {
  EXPECT_EQ(warned([](RunConfig&, RunFactsForRules&) {}), std::vector<std::string>{});
  EXPECT_EQ(warned([](RunConfig&, RunFactsForRules& f) { digits(f); }), std::vector<std::string>{});
}

// Each is alone, so nothing else may be said.
TEST(Warnings, EachForItsKeys) {
  struct Case {
    const char* key;
    std::function<void(RunConfig&, RunFactsForRules&)> change;
  };
  const auto without_norm = [](RunConfig& c) { c.discriminator.norm = c.generator.norm = nets::Norm::none, c.objective.accumulate = 2; };
  const std::vector<Case> cases = {
      {"generator.kind", [](RunConfig& c, RunFactsForRules&) { c.generator.kind = nets::Kind::crippled; }},
      {"generator.kind", [](RunConfig& c, RunFactsForRules&) { c.generator.kind = nets::Kind::dcgan5x5; }},
      {"regularizers.gradient_penalty", [](RunConfig& c, RunFactsForRules&) {
         c.discriminator.norm = nets::Norm::none, c.discriminator.minibatch_stddev = 4, c.regularizers.gradient_penalty.weight = 10;
       }},
      {"regularizers.gradient_penalty", [](RunConfig& c, RunFactsForRules&) {
         c.discriminator.norm = nets::Norm::none, c.discriminator.minibatch_discrimination = 4, c.regularizers.gradient_penalty.weight = 10;
       }},
      {"discriminator.spectral_norm", [](RunConfig& c, RunFactsForRules&) { c.discriminator.spectral_norm = true; }},
      {"regularizers.r1", [](RunConfig& c, RunFactsForRules&) { c.regularizers.r1.weight = 1; }},
      {"optimizer.discriminator.beta1", [](RunConfig& c, RunFactsForRules&) { c.regularizers.weight_clip.bound = 0.01; }},
      {"parallel.batch_norm", [](RunConfig& c, RunFactsForRules&) { c.parallel.batch_norm = parallel::BatchNormScope::local; }},
      {"tricks.clip_d_norm", [](RunConfig& c, RunFactsForRules&) {
         c.discriminator.norm = nets::Norm::none, c.regularizers.gradient_penalty.weight = 10, c.tricks.gradient_clip.norm = 1;
       }},
      {"tricks.clip_d_norm", [](RunConfig& c, RunFactsForRules&) {
         c.discriminator.norm = nets::Norm::none, c.regularizers.gradient_penalty.weight = 10, c.tricks.gradient_clip.value = 1;
       }},
      {"objective.accumulate", [](RunConfig& c, RunFactsForRules&) { c.objective.accumulate = 2; }},
      {"objective.accumulate", [](RunConfig& c, RunFactsForRules& f) { digits(f), c.objective.accumulate = 2; }},  // G's batch norm alone
      {"objective.accumulate", [=](RunConfig& c, RunFactsForRules&) { without_norm(c), c.objective.loss = gan::Loss::relativistic; }},
      {"objective.accumulate", [=](RunConfig& c, RunFactsForRules&) { without_norm(c), c.tricks.feature_matching.weight = 1; }},
      {"objective.accumulate", [=](RunConfig& c, RunFactsForRules&) { without_norm(c), c.regularizers.dragan.weight = 1; }},
      {"objective.accumulate", [=](RunConfig& c, RunFactsForRules&) { without_norm(c), c.discriminator.minibatch_stddev = 1; }},
      {"discriminator.down", [](RunConfig& c, RunFactsForRules&) { c.discriminator.down = nets::Down::largest; }},
      {"augment.x_flip", [](RunConfig& c, RunFactsForRules& f) { digits(f), c.augment.ada.on = true, c.augment.ada.multipliers.x_flip = 1; }},
      {"augment.x_flip", [](RunConfig& c, RunFactsForRules& f) { digits(f), c.augment.ada.on = true, c.augment.ada.multipliers.turns = 1; }},
      {"augment.policy", [](RunConfig& c, RunFactsForRules&) { c.augment.ada.on = true, c.augment.policy = "color"; }},
      {"data.table_members", [](RunConfig& c, RunFactsForRules&) { c.data.table_members = 2; }},
  };
  for (size_t i = 0; i < cases.size(); ++i) EXPECT_EQ(warned(cases[i].change), std::vector<std::string>{cases[i].key}) << "case " << i;
}

// One key away from each warning there is nothing to warn of.
TEST(Warnings, NoneForWhatGoesTogether) {
  for (const auto& change : std::vector<std::function<void(RunConfig&, RunFactsForRules&)>>{
           [](RunConfig& c, RunFactsForRules&) { c.discriminator.norm = nets::Norm::none, c.discriminator.spectral_norm = true, c.regularizers.r1.weight = 1; },
           [](RunConfig& c, RunFactsForRules&) {
             c.regularizers.weight_clip.bound = 0.01, c.discriminator_optimizer.kind = gan::OptimizerConfig::Kind::rmsprop;
           },
           [](RunConfig& c, RunFactsForRules&) { c.regularizers.weight_clip.bound = 0.01, c.discriminator_optimizer.beta1 = 0; },
           [](RunConfig& c, RunFactsForRules&) { c.tricks.gradient_clip.norm = 1; },
           [](RunConfig& c, RunFactsForRules&) { c.discriminator.norm = c.generator.norm = nets::Norm::none, c.objective.accumulate = 2; },
           [](RunConfig& c, RunFactsForRules&) { c.augment.ada.on = true, c.augment.ada.multipliers.x_flip = 1; },
           [](RunConfig& c, RunFactsForRules&) { c.data.table_members = c.objective.pack = 2; }})
    EXPECT_EQ(warned(change), std::vector<std::string>{});
}

}  // namespace
}  // namespace ganymede::train
