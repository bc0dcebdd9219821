#include "nets/architectures.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.hpp"

namespace ganymede::nets {
namespace {

SampleShape image(int64_t size, int64_t channels) { return {false, size, size, channels, 0}; }

struct Case {
  int64_t size, channels, latent, generator, discriminator;
};

// Parameter counts of gan-systems, section 9.
TEST(Architectures, HaveTheirPublishedParameterCounts) {
  for (const Case& c : {Case{28, 1, 128, 941'569, 659'137}, Case{32, 3, 100, 1'068'928, 663'296}, Case{64, 3, 100, 3'576'704, 2'765'568},
                        Case{64, 1, 100, 3'574'656, 2'763'520}, Case{128, 3, 100, 12'786'560, 11'164'416}}) {
    EXPECT_EQ(make_generator({}, {c.latent, Prior::normal}, image(c.size, c.channels))->parameter_count(), c.generator) << c.size;
    EXPECT_EQ(make_discriminator({}, image(c.size, c.channels))->parameter_count(), c.discriminator) << c.size;
  }
  const NetworkConfig ring{Kind::mlp, 128, 2};
  const SampleShape points{true, 0, 0, 0, 2};
  EXPECT_EQ(make_generator(ring, {16, Prior::normal}, points)->parameter_count(), 18'946);
  EXPECT_EQ(make_discriminator(ring, points)->parameter_count(), 17'025);
}

TEST(Architectures, MakeAndReadPicturesOfTheirSize) {
  const Rng rng(5);
  for (const auto size : {28, 32, 64, 128}) {
    const NetworkConfig narrow{Kind::dcgan, 4, 2};
    auto g = make_generator(narrow, {10, Prior::normal}, image(size, 3));
    auto d = make_discriminator(narrow, image(size, 3));
    g->initialize(rng, 0), d->initialize(rng, 1);
    const auto x = g->forward(latents(rng, {10, Prior::normal}, Draw{Purpose::z_d}, 0, 2, at::kFloat));
    EXPECT_EQ(x.sizes(), (std::vector<int64_t>{2, 3, size, size}));
    EXPECT_LE(x.abs().max().item<float>(), 1.0f);
    EXPECT_EQ(d->forward(x).sizes(), (std::vector<int64_t>{2}));
  }
}

TEST(Architectures, StartAsDcganDoes) {
  auto g = make_generator({}, {}, image(64, 3));
  g->initialize(Rng(1), 0);
  for (const auto& item : g->named_parameters()) {
    if (item.value().dim() == 4) { EXPECT_NEAR(item.value().std().item<double>(), 0.02, 0.0004) << item.key(); }
    if (item.key() == "1.weight") { EXPECT_NEAR(item.value().mean().item<double>(), 1.0, 0.003); }
    if (item.key() == "1.bias") { EXPECT_EQ(item.value().abs().max().item<double>(), 0.0); }
  }
}

// Names are those of a PyTorch Sequential: the contract of every file we write.
TEST(Architectures, AreNumberedAsTheirReferences) {
  auto g = make_generator({}, {}, image(32, 1));
  std::vector<std::string> names;
  for (const auto& item : g->named_parameters()) names.push_back(item.key());
  EXPECT_EQ(names, (std::vector<std::string>{"0.weight", "1.weight", "1.bias", "3.weight", "4.weight", "4.bias", "6.weight", "7.weight", "7.bias", "9.weight"}));
  auto preset = make_generator({}, {}, image(28, 1));
  EXPECT_TRUE(preset->named_parameters().contains("7.bias"));
  EXPECT_FALSE(preset->named_parameters()["0.bias"].requires_grad()) << "batch norm removes it";
}

TEST(Architectures, LockAndUnlock) {
  auto d = make_discriminator({}, image(28, 1));
  const auto trained = d->trained_parameters().size();
  d->set_trainable(false);
  EXPECT_EQ(d->trained_parameters().size(), 0u);
  d->set_trainable(true);
  EXPECT_EQ(d->trained_parameters().size(), trained);
}

TEST(Architectures, RefuseWhatTheyCannotMake) {
  EXPECT_THROW(make_generator({}, {}, image(30, 1)), Error);
  EXPECT_THROW(make_generator({}, {}, SampleShape{false, 28, 32, 1, 0}), Error);
  EXPECT_THROW(make_generator({}, {}, SampleShape{true, 0, 0, 0, 2}), Error);
  EXPECT_THROW(make_discriminator({Kind::mlp, 8, 1}, image(28, 1)), Error);
}

TEST(Architectures, LatentsRoundOnce) {
  const auto wide = latents(Rng(2), {7, Prior::uniform}, Draw{Purpose::z_g, 3}, 5, 4, at::kDouble);
  EXPECT_TRUE(at::equal(latents(Rng(2), {7, Prior::uniform}, Draw{Purpose::z_g, 3}, 5, 4, at::kFloat), wide.to(at::kFloat)));
}

}  // namespace
}  // namespace ganymede::nets
