#include "nets/network_config.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/recipe.hpp"
#include "core/error.hpp"

namespace ganymede::nets {
namespace {

struct Recipe {
  GeneratorConfig generator;
  DiscriminatorConfig discriminator;
  ConditionalConfig conditional;
};

std::vector<config::Section> sections(Recipe& r) {
  return {{"generator", [&r](config::Fields& f) { describe(f, r.generator); }},
          {"discriminator", [&r](config::Fields& f) { describe(f, r.discriminator); }},
          {"conditional", [&r](config::Fields& f) { describe(f, r.conditional); }}};
}

Recipe read(const std::vector<std::string>& sets) {
  Recipe r;
  config::read(config::parse("", "test", sets, {}), sections(r), [](config::Mistakes&) {});
  return r;
}

// Printed with every default and read again: the same recipe.
TEST(NetworkConfig, SurvivesPrinting) {
  Recipe r = read({"generator.activation=elu", "generator.norm=conditional", "discriminator.down=avg", "discriminator.dropout=0.3", "conditional.kind=planes",
                   "discriminator.spectral_norm=true"});
  EXPECT_EQ(r.discriminator.down, Down::average);
  const auto text = config::print(sections(r));
  Recipe again;
  config::read(config::parse(text, "test", {}, {}), sections(again), [](config::Mistakes&) {});
  EXPECT_EQ(config::print(sections(again)), text);
  EXPECT_EQ(again.generator.norm, Norm::conditional);
}

TEST(NetworkConfig, RefusesValuesOutOfRange) {
  for (const char* set : {"generator.slope=1", "discriminator.slope=-0.1", "discriminator.dropout=1", "generator.activation=swish", "discriminator.norm=pixel",
                          "discriminator.minibatch_stddev=-1", "conditional.classifier_weight=-1", "conditional.generator_labels=real", "generator.norm_momentum=0",
                          "discriminator.norm_momentum=1.1", "discriminator.maxout_pieces=1", "generator.activation=maxout", "generator.kind=crippled28"})
    EXPECT_THROW(read({set}), Error) << set;
}

TEST(NetworkConfig, DefaultsFollowKindAndSize) {
  const SampleShape small{false, 28, 28, 1, 0}, large{false, 64, 64, 3, 0}, points{true, 0, 0, 0, 2};
  GeneratorConfig g;
  EXPECT_EQ(norm_of(g), Norm::batch);
  EXPECT_EQ(activation_of(g), Activation::relu);
  g.kind = Kind::mlp;
  EXPECT_EQ(norm_of(g), Norm::none);
  EXPECT_EQ(activation_of(g), Activation::leaky_relu);
  DiscriminatorConfig d;
  EXPECT_EQ(norm_of(d, small), Norm::none);
  EXPECT_EQ(norm_of(d, large), Norm::batch);
  d.norm = Norm::batch;
  EXPECT_EQ(norm_of(d, small), Norm::batch);
  d = {};
  d.kind = Kind::mlp;
  EXPECT_EQ(norm_of(d, points), Norm::none);
  for (const auto kind : {Kind::dcgan5x5, Kind::crippled}) {
    g.kind = d.kind = kind;
    EXPECT_EQ(activation_of(g), Activation::relu);
    EXPECT_EQ(norm_of(g), Norm::batch);
    EXPECT_EQ(norm_of(d, small), Norm::batch);
  }
}

std::vector<std::string> keys_of_mistakes(const std::vector<std::string>& sets) {
  const Recipe r = read(sets);
  std::vector<std::string> keys;
  for (const auto& mistake : check_networks(r.generator, r.discriminator, r.conditional)) keys.push_back(mistake.key);
  return keys;
}

TEST(NetworkConfig, RefusesWhatExcludesEachOther) {
  using testing::ElementsAre;
  EXPECT_THAT(keys_of_mistakes({}), ElementsAre());
  EXPECT_THAT(keys_of_mistakes({"discriminator.spectral_norm=true", "discriminator.equalized_lr=true"}), ElementsAre("discriminator.equalized_lr"));
  EXPECT_THAT(keys_of_mistakes({"generator.kind=mlp", "generator.upsample=nearest"}), ElementsAre("generator.upsample"));
  EXPECT_THAT(keys_of_mistakes({"discriminator.kind=mlp", "discriminator.down=max", "discriminator.head=gap", "discriminator.dropout_channel=true"}),
              ElementsAre("discriminator.down", "discriminator.head", "discriminator.dropout_channel"));
  EXPECT_THAT(keys_of_mistakes({"generator.init=normal", "discriminator.init=he"}), ElementsAre("generator.init", "discriminator.init"));
  EXPECT_THAT(keys_of_mistakes({"discriminator.activation=maxout"}), ElementsAre("discriminator.activation"));
  EXPECT_THAT(keys_of_mistakes({"discriminator.activation=maxout", "discriminator.kind=mlp", "discriminator.init=normal"}), ElementsAre());
  EXPECT_THAT(keys_of_mistakes({"generator.kind=crippled", "generator.upsample=nearest", "discriminator.kind=dcgan5x5", "discriminator.down=avg"}),
              ElementsAre("generator.upsample", "discriminator.down"));
  EXPECT_THAT(keys_of_mistakes({"generator.norm=pixel", "generator.width=1"}), ElementsAre("generator.norm"));
  EXPECT_THAT(keys_of_mistakes({"generator.norm=conditional"}), ElementsAre("generator.norm"));
  EXPECT_THAT(keys_of_mistakes({"generator.norm=conditional", "conditional.kind=classifier"}), ElementsAre());
  EXPECT_THAT(keys_of_mistakes({"discriminator.head=gap", "conditional.kind=projection"}), ElementsAre("discriminator.head"));
  EXPECT_THAT(keys_of_mistakes({"discriminator.head=gsp", "conditional.kind=projection"}), ElementsAre());
}

}  // namespace
}  // namespace ganymede::nets
