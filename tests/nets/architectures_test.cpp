#include "nets/architectures.hpp"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
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
  const SampleShape points{true, 0, 0, 0, 2};
  EXPECT_EQ(make_generator({Kind::mlp, 128, 2}, {16, Prior::normal}, points)->parameter_count(), 18'946);
  EXPECT_EQ(make_discriminator({Kind::mlp, 128, 2}, points)->parameter_count(), 17'025);
}

// Section 25: PacGAN's networks for mixtures, by their members m; section 29: those of stacked digits, crippled to 1/4 and 1/2; section 9.
TEST(Architectures, HaveThePublishedCountsOfPackedNetworks) {
  const SampleShape points{true, 0, 0, 0, 2};
  GeneratorConfig g{Kind::mlp, 400, 4};
  g.norm = Norm::batch, g.activation = Activation::relu, g.bias_before_norm = false;
  EXPECT_EQ(make_generator(g, {2, Prior::normal}, points)->parameter_count(), 484'802);
  EXPECT_EQ(make_generator({Kind::crippled, 8, 2}, {256, Prior::normal}, image(28, 3))->parameter_count(), 287'875);
  DiscriminatorConfig d{Kind::mlp, 200, 3};
  d.activation = Activation::maxout;
  for (int64_t m = 1; m <= 4; ++m) {
    EXPECT_EQ(make_discriminator(d, points, {}, m)->parameter_count(), 405'201 + 2'000 * (m - 1)) << m;
    EXPECT_EQ(make_discriminator({Kind::crippled, 2, 2}, image(28, 3), {}, m)->parameter_count(), 531 + 54 * m) << m;
    EXPECT_EQ(make_discriminator({Kind::crippled, 4, 2}, image(28, 3), {}, m)->parameter_count(), 1'781 + 108 * m) << m;
  }
  // 100·2048 + 2048; ConvT 5x5 512-256-128-64-3 and D's Conv 3-64-128-256-512, biased; batch norm; Linear 2048-1.
  const int64_t linear = 101 * 2048, up = 25 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 3) + 256 + 128 + 64 + 3, g_norms = 2 * (512 + 256 + 128 + 64);
  EXPECT_EQ(make_generator({Kind::dcgan5x5, 64, 2}, {100, Prior::uniform}, image(28, 3))->parameter_count(), linear + up + g_norms);
  const int64_t down = 25 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512) + 64 + 128 + 256 + 512, d_norms = 2 * (128 + 256 + 512);
  EXPECT_EQ(make_discriminator({Kind::dcgan5x5, 64, 2}, image(28, 3))->parameter_count(), down + d_norms + 2049);
}

// Section 37: 28 pixels, pooling. Section 43: D of twice the channels reads a pair.
TEST(Architectures, CountParametersOfTheirVariants) {
  DiscriminatorConfig pooled;
  pooled.down = Down::average;
  EXPECT_EQ(make_discriminator(pooled, image(28, 1))->parameter_count(), 371'969);
  EXPECT_EQ(make_discriminator({}, image(28, 1), {}, 2)->parameter_count(), 660'161);
  EXPECT_EQ(make_discriminator({Kind::mlp, 128, 2}, {true, 0, 0, 0, 2}, {}, 2)->parameter_count(), 17'281);
  for (const auto activation : {Activation::relu, Activation::leaky_relu, Activation::elu}) {
    GeneratorConfig g;
    g.activation = activation;
    EXPECT_EQ(make_generator(g, {128, Prior::normal}, image(28, 1))->parameter_count(), 941'569);
  }
}

std::vector<std::string> lines(const Network& network) { return network.describe(); }

// A weight in a file is called by its layer's number: keys at their defaults must not move it.
TEST(Architectures, StacksOfPlainNetworksStay) {
  EXPECT_EQ(lines(*make_discriminator({}, image(28, 1))),
            (std::vector<std::string>{"Conv2d(1, 64, kernel 4, stride 2, padding 1, bias)", "LeakyReLU(0.2)", "Conv2d(64, 128, kernel 4, stride 2, padding 1, bias)",
                                      "LeakyReLU(0.2)", "Conv2d(128, 256, kernel 4, stride 2, padding 1, bias)", "LeakyReLU(0.2)", "Reshape(2304)",
                                      "Linear(2304, 1)", "Reshape()"}));
  EXPECT_EQ(lines(*make_discriminator({}, image(32, 3))),
            (std::vector<std::string>{"Conv2d(3, 64, kernel 4, stride 2, padding 1)", "LeakyReLU(0.2)", "Conv2d(64, 128, kernel 4, stride 2, padding 1)",
                                      "BatchNorm(128)", "LeakyReLU(0.2)", "Conv2d(128, 256, kernel 4, stride 2, padding 1)", "BatchNorm(256)", "LeakyReLU(0.2)",
                                      "Conv2d(256, 1, kernel 4, stride 1, padding 0)", "Reshape()"}));
  EXPECT_EQ(lines(*make_generator({}, {}, image(28, 1))),
            (std::vector<std::string>{"Linear(100, 6272)", "Reshape(128, 7, 7)", "BatchNorm(128)", "ReLU", "ConvTranspose2d(128, 64, kernel 4, stride 2, padding 1)",
                                      "BatchNorm(64)", "ReLU", "ConvTranspose2d(64, 1, kernel 4, stride 2, padding 1, bias)", "Tanh"}));
  EXPECT_EQ(lines(*make_generator({Kind::mlp, 8, 2}, {4, Prior::normal}, {true, 0, 0, 0, 2})),
            (std::vector<std::string>{"Linear(4, 8)", "LeakyReLU(0.2)", "Linear(8, 8)", "LeakyReLU(0.2)", "Linear(8, 2)"}));
}

TEST(Architectures, StacksOfVariants) {
  GeneratorConfig g{Kind::dcgan, 4, 2};
  g.upsample = Upsampling::nearest, g.norm = Norm::pixel, g.equalized_lr = true;
  EXPECT_EQ(lines(*make_generator(g, {16, Prior::normal}, image(28, 1), {ConditionalKind::planes, 2})),
            (std::vector<std::string>{"Linear(18, 392, weights times 0.0833333)", "Reshape(8, 7, 7)", "ReLU", "PixelNorm", "Upsample(nearest)",
                                      "Conv2d(8, 4, kernel 3, stride 1, padding 1, weights times 0.166667)", "ReLU", "PixelNorm", "Upsample(nearest)",
                                      "Conv2d(4, 1, kernel 3, stride 1, padding 1, bias, weights times 0.166667)", "Tanh"}));
  DiscriminatorConfig d{Kind::dcgan, 4, 2};
  d.down = Down::largest, d.spectral_norm = true, d.norm = Norm::none;
  EXPECT_EQ(lines(*make_discriminator(d, image(32, 1), {ConditionalKind::projection, 5})),
            (std::vector<std::string>{"Conv2d(1, 4, kernel 3, stride 1, padding 1, spectral norm)", "LeakyReLU(0.2)", "MaxPool(2)",
                                      "Conv2d(4, 8, kernel 3, stride 1, padding 1, spectral norm)", "LeakyReLU(0.2)", "MaxPool(2)",
                                      "Conv2d(8, 16, kernel 3, stride 1, padding 1, spectral norm)", "LeakyReLU(0.2)", "MaxPool(2)", "GlobalSum",
                                      "ProjectionHead(16, 5 classes, spectral norm)"}));
}

TEST(Architectures, StacksOfPublishedNetworks) {
  EXPECT_EQ(lines(*make_generator({Kind::crippled, 1, 2}, {6, Prior::normal}, image(28, 3))),
            (std::vector<std::string>{"Linear(6, 128)", "Reshape(8, 4, 4)", "BatchNorm(8)", "ReLU", "ConvTranspose2d(8, 4, kernel 3, stride 2, padding 1, bias)",
                                      "BatchNorm(4)", "ReLU", "ConvTranspose2d(4, 2, kernel 3, stride 2, padding 1, output padding 1, bias)", "BatchNorm(2)", "ReLU",
                                      "ConvTranspose2d(2, 1, kernel 3, stride 2, padding 1, output padding 1, bias)", "BatchNorm(1)", "ReLU",
                                      "Conv2d(1, 3, kernel 3, stride 1, padding 1, bias)", "Tanh"}));
  EXPECT_EQ(lines(*make_discriminator({Kind::crippled, 2, 2}, image(28, 3), {}, 2)),
            (std::vector<std::string>{"Conv2d(6, 2, kernel 3, stride 2, padding 1, bias)", "BatchNorm(2)", "LeakyReLU(0.2)", "Conv2d(2, 4, kernel 3, stride 2, padding 1, bias)",
                                      "BatchNorm(4)", "LeakyReLU(0.2)", "Conv2d(4, 8, kernel 3, stride 2, padding 1, bias)", "BatchNorm(8)", "LeakyReLU(0.2)", "Reshape(128)",
                                      "Linear(128, 1)", "Reshape()"}));
  EXPECT_EQ(lines(*make_generator({Kind::dcgan5x5, 1, 2}, {6, Prior::normal}, image(28, 3))),
            (std::vector<std::string>{"Linear(6, 32)", "Reshape(8, 2, 2)", "BatchNorm(8)", "ReLU", "ConvTranspose2d(8, 4, kernel 5, stride 2, padding 2, output padding 1, bias)",
                                      "BatchNorm(4)", "ReLU", "ConvTranspose2d(4, 2, kernel 5, stride 2, padding 2, bias)", "BatchNorm(2)", "ReLU",
                                      "ConvTranspose2d(2, 1, kernel 5, stride 2, padding 2, output padding 1, bias)", "BatchNorm(1)", "ReLU",
                                      "ConvTranspose2d(1, 3, kernel 5, stride 2, padding 2, output padding 1, bias)", "Tanh"}));
  EXPECT_EQ(lines(*make_discriminator({Kind::dcgan5x5, 1, 2}, image(28, 3)))[1], "LeakyReLU(0.2)");
  EXPECT_EQ(lines(*make_discriminator({Kind::dcgan5x5, 1, 2}, image(28, 3)))[3], "BatchNorm(2)");
  DiscriminatorConfig d{Kind::mlp, 4, 2};
  d.activation = Activation::maxout, d.maxout_pieces = 3, d.norm = Norm::batch, d.bias_before_norm = false;
  EXPECT_EQ(lines(*make_discriminator(d, {true, 0, 0, 0, 2})),
            (std::vector<std::string>{"Linear(2, 12)", "Maxout(3)", "Linear(4, 12, no bias)", "BatchNorm(12)", "Maxout(3)", "Linear(4, 1)", "Reshape()"}));
}

// Dropout behind each activation but the last; spread and nearness in front of the last layer; virtual norm where batch norm stood.
TEST(Architectures, StacksOfLayersThatMixOrDrop) {
  DiscriminatorConfig d{Kind::dcgan, 4, 2};
  d.dropout = 0.3, d.minibatch_stddev = 4, d.norm = Norm::virtual_batch;
  EXPECT_EQ(lines(*make_discriminator(d, image(32, 1))),
            (std::vector<std::string>{"Conv2d(1, 4, kernel 4, stride 2, padding 1)", "LeakyReLU(0.2)", "Dropout(0.3)", "Conv2d(4, 8, kernel 4, stride 2, padding 1)",
                                      "VirtualBatchNorm(8)", "LeakyReLU(0.2)", "Dropout(0.3)", "Conv2d(8, 16, kernel 4, stride 2, padding 1)", "VirtualBatchNorm(16)",
                                      "LeakyReLU(0.2)", "MinibatchStddev(group 4, 1 maps)", "Conv2d(17, 1, kernel 4, stride 1, padding 0)", "Reshape()"}));
  DiscriminatorConfig near{Kind::dcgan, 4, 2};
  near.minibatch_stddev = 1, near.minibatch_stddev_maps = 2, near.minibatch_discrimination = 6, near.dropout = 0.5;
  EXPECT_EQ(lines(*make_discriminator(near, image(28, 1))),
            (std::vector<std::string>{"Conv2d(1, 4, kernel 4, stride 2, padding 1, bias)", "LeakyReLU(0.2)", "Dropout(0.5)",
                                      "Conv2d(4, 8, kernel 4, stride 2, padding 1, bias)", "LeakyReLU(0.2)", "Dropout(0.5)",
                                      "Conv2d(8, 16, kernel 4, stride 2, padding 1, bias)", "LeakyReLU(0.2)", "MinibatchStddev(whole batch, 2 maps)",
                                      "Reshape(162)", "MinibatchDiscrimination(162, 6 kernels of 5)", "Linear(168, 1)", "Reshape()"}));
  near.kind = Kind::mlp;
  EXPECT_EQ(lines(*make_discriminator(near, {true, 0, 0, 0, 2})),
            (std::vector<std::string>{"Linear(2, 4)", "LeakyReLU(0.2)", "Dropout(0.5)", "Linear(4, 4)", "LeakyReLU(0.2)", "MinibatchStddev(whole batch, 2 maps)",
                                      "MinibatchDiscrimination(6, 6 kernels of 5)", "Linear(12, 1)", "Reshape()"}));
}

// Section 15: G in [B,Z+K]; D in [B,m(C+K),H,W]; section 39: K scores behind the logit.
TEST(Architectures, TakeClassesAndJoinedSamples) {
  const Conditioning planes{ConditionalKind::planes, 10};
  const Rng rng(2);
  auto g = make_generator({Kind::dcgan, 4, 2}, {8, Prior::normal}, image(28, 1), planes);
  g->initialize(rng, 0);
  EXPECT_EQ(g->forward(at::randn({3, 18})).sizes(), (std::vector<int64_t>{3, 1, 28, 28}));
  auto d = make_discriminator({Kind::dcgan, 4, 2}, image(28, 1), planes, 3);
  d->initialize(rng, 1);
  EXPECT_EQ(d->forward(at::randn({2, 33, 28, 28})).sizes(), (std::vector<int64_t>{2}));
  for (const auto& shape : {image(28, 1), image(32, 1), SampleShape{true, 0, 0, 0, 2}}) {
    const Kind kind = shape.is_points ? Kind::mlp : Kind::dcgan;
    auto named = make_discriminator({kind, 4, 2}, shape, {ConditionalKind::classifier, 10});
    named->initialize(rng, 1);
    const auto x = shape.is_points ? at::randn({3, 2}) : at::randn({3, 1, shape.height, shape.height});
    EXPECT_EQ(named->forward(x).sizes(), (std::vector<int64_t>{3, 11}));
  }
  EXPECT_THROW(make_generator({}, {}, image(28, 1), {ConditionalKind::planes, 1}), Error);
  EXPECT_THROW(make_discriminator({}, image(28, 1), {ConditionalKind::projection, 0}), Error);
}

// A bias that the norm behind it removes is kept in files, at 0, and trained by nobody.
TEST(Architectures, LeaveBiasesInFrontOfNormsAlone) {
  DiscriminatorConfig d{Kind::dcgan, 4, 2};
  d.norm = Norm::batch;
  auto net = make_discriminator(d, image(28, 1));
  net->initialize(Rng(1), 1);
  const auto named = net->named_parameters();
  EXPECT_TRUE(named["0.bias"].requires_grad());
  EXPECT_FALSE(named["2.bias"].requires_grad());
  GeneratorConfig g{Kind::mlp, 4, 2};
  g.norm = Norm::batch;
  auto points = make_generator(g, {4, Prior::normal}, {true, 0, 0, 0, 2});
  points->initialize(Rng(1), 0);
  EXPECT_FALSE(points->named_parameters()["0.bias"].requires_grad());
  EXPECT_EQ(points->named_parameters()["0.bias"].abs().max().item<double>(), 0.0);
  GeneratorConfig crippled{Kind::crippled, 1, 2};
  auto all = make_generator(crippled, {4, Prior::normal}, image(28, 1));
  EXPECT_FALSE(all->named_parameters()["0.bias"].requires_grad() || all->named_parameters()["4.bias"].requires_grad());
  EXPECT_TRUE(all->named_parameters()["13.bias"].requires_grad()) << "no norm follows";
  crippled.bias_before_norm = false;
  EXPECT_FALSE(make_generator(crippled, {4, Prior::normal}, image(28, 1))->named_parameters().contains("4.bias"));
  GeneratorConfig bare{Kind::dcgan, 4, 2};
  bare.norm = Norm::none;
  EXPECT_TRUE(make_generator(bare, {}, image(28, 1))->named_parameters()["0.bias"].requires_grad());
}

TEST(Architectures, MakeAndReadPicturesOfTheirSize) {
  const Rng rng(5);
  for (const auto size : {28, 32, 64, 128}) {
    auto g = make_generator({Kind::dcgan, 4, 2}, {10, Prior::normal}, image(size, 3));
    auto d = make_discriminator({Kind::dcgan, 4, 2}, image(size, 3));
    g->initialize(rng, 0), d->initialize(rng, 1);
    const auto x = g->forward(latents(rng, {10, Prior::normal}, Draw{Purpose::z_d}, 0, 2, at::kFloat));
    EXPECT_EQ(x.sizes(), (std::vector<int64_t>{2, 3, size, size}));
    EXPECT_LE(x.abs().max().item<float>(), 1.0f);
    EXPECT_EQ(d->forward(x).sizes(), (std::vector<int64_t>{2}));
  }
}

TEST(Architectures, PublishedNetworksMakeAndReadStacks) {
  const Rng rng(5);
  for (const auto kind : {Kind::dcgan5x5, Kind::crippled}) {
    auto g = make_generator({kind, 2, 2}, {10, Prior::normal}, image(28, 3));
    auto d = make_discriminator({kind, 2, 2}, image(28, 3));
    g->initialize(rng, 0), d->initialize(rng, 1);
    const auto x = g->forward(latents(rng, {10, Prior::normal}, Draw{Purpose::z_d}, 0, 2, at::kFloat));
    EXPECT_EQ(x.sizes(), (std::vector<int64_t>{2, 3, 28, 28}));
    EXPECT_LE(x.abs().max().item<float>(), 1.0f);
    EXPECT_EQ(d->forward(x).sizes(), (std::vector<int64_t>{2}));
    EXPECT_THROW(make_generator({kind, 2, 2}, {}, image(32, 3)), Error);
    EXPECT_THROW(make_discriminator({kind, 2, 2}, SampleShape{true, 0, 0, 0, 2}), Error);
  }
  DiscriminatorConfig d{Kind::dcgan5x5, 1, 2};
  d.minibatch_stddev = 4, d.minibatch_stddev_maps = 8;
  EXPECT_NO_THROW(make_discriminator(d, image(28, 3)));
  d.minibatch_stddev_maps = 3;
  EXPECT_THROW(make_discriminator(d, image(28, 3)), Error) << "8 channels make no 3 maps";
}

TEST(Architectures, MlpsStartAsAsked) {
  DiscriminatorConfig d{Kind::mlp, 200, 3, NetworkConfig::Start::normal};
  d.activation = Activation::maxout;
  auto net = make_discriminator(d, {true, 0, 0, 0, 2});
  net->initialize(Rng(1), 1);
  EXPECT_NEAR(net->named_parameters()["2.weight"].std().item<double>(), 0.02, 0.0004);
  EXPECT_EQ(net->named_parameters()["2.bias"].abs().max().item<double>(), 0.0);
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
  DiscriminatorConfig d{Kind::dcgan, 3, 2};
  d.minibatch_stddev = 4, d.minibatch_stddev_maps = 5;
  EXPECT_THROW(make_discriminator(d, image(28, 1)), Error) << "12 channels make no 5 maps";
}

// Under autocast every kind of layer takes bfloat16 from the layer before it and leaves float32 gradients.
TEST(Architectures, TrainUnderAutocast) {
  const Conditioning projection{ConditionalKind::projection, 3};
  GeneratorConfig conditional{Kind::dcgan, 4, 2}, pixel{Kind::dcgan, 4, 2}, vector{Kind::mlp, 8, 2};
  conditional.norm = Norm::conditional, conditional.upsample = Upsampling::bilinear;
  pixel.norm = Norm::pixel, pixel.activation = Activation::elu, pixel.equalized_lr = true;
  vector.norm = Norm::batch;
  DiscriminatorConfig spectral{Kind::dcgan, 4, 2}, pooled{Kind::dcgan, 4, 2}, mixing{Kind::mlp, 8, 3};
  spectral.spectral_norm = true, spectral.dropout = 0.3, spectral.norm = Norm::none;
  pooled.down = Down::largest, pooled.head = Head::average, pooled.equalized_lr = true, pooled.minibatch_stddev = 1;
  mixing.minibatch_discrimination = 3, mixing.minibatch_stddev = 2, mixing.spectral_norm = true;
  GeneratorConfig crippled{Kind::crippled, 1, 2}, wide_kernels{Kind::dcgan5x5, 1, 2};
  DiscriminatorConfig pieces{Kind::mlp, 8, 2}, crippled_d{Kind::crippled, 2, 2};
  pieces.activation = Activation::maxout;
  const SampleShape points{true, 0, 0, 0, 2};
  const LatentConfig latent{5, Prior::normal};
  const Rng rng(3);
  Pass pass;
  pass.rng = &rng, pass.labels = at::tensor({0, 1, 2, 0}, at::kLong);
  pass.ranges = {RowRange{Source::d_real, 4, 0, 4, {}, {}}};
  at::manual_seed(1);
  const std::vector<std::pair<std::shared_ptr<Network>, at::Tensor>> cases = {
      {make_generator(conditional, latent, image(32, 1), projection), at::randn({4, 8})},
      {make_generator(pixel, latent, image(28, 1)), at::randn({4, 5})},
      {make_generator(vector, latent, points), at::randn({4, 5})},
      {make_discriminator(spectral, image(32, 1), projection), at::randn({4, 1, 32, 32})},
      {make_discriminator(pooled, image(28, 1)), at::randn({4, 1, 28, 28})},
      {make_discriminator(mixing, points), at::randn({4, 2})},
      {make_generator(crippled, latent, image(28, 3)), at::randn({4, 5})},
      {make_generator(wide_kernels, latent, image(28, 3)), at::randn({4, 5})},
      {make_discriminator(crippled_d, image(28, 3)), at::randn({4, 3, 28, 28})},
      {make_discriminator(pieces, points), at::randn({4, 2})}};
  for (size_t i = 0; i < cases.size(); ++i) {
    const auto& [network, x] = cases[i];
    network->initialize(rng, 0);
    at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
    at::autocast::set_autocast_enabled(at::kCPU, true);
    const auto y = network->forward(x, pass);
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(at::kCPU, false);
    y.to(at::kFloat).square().sum().backward();
    for (const auto& [name, parameter] : network->trained_parameters()) {
      ASSERT_TRUE(parameter.grad().defined()) << i << " " << name;
      EXPECT_EQ(parameter.grad().scalar_type(), at::kFloat) << i << " " << name;
      EXPECT_TRUE(at::isfinite(parameter.grad()).all().item<bool>()) << i << " " << name;
    }
    at::NoGradGuard no_graph;
    EXPECT_LE((network->forward(x, pass) - y).abs().max().item<double>(), 0.1 * (1 + y.abs().max().item<double>())) << i;
  }
}

TEST(Architectures, LatentsRoundOnce) {
  const auto wide = latents(Rng(2), {7, Prior::uniform}, Draw{Purpose::z_g, 3}, 5, 4, at::kDouble);
  EXPECT_TRUE(at::equal(latents(Rng(2), {7, Prior::uniform}, Draw{Purpose::z_g, 3}, 5, 4, at::kFloat), wide.to(at::kFloat)));
}

}  // namespace
}  // namespace ganymede::nets
