// gan-systems, section 19: "Export bakes the scale, outputs equal 1e-6". The same for spectral norm (section 28).
#include "export/network_file.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "nets/architectures.hpp"

namespace ganymede::exporting {
namespace {

using nets::Network;
using testing::ElementsAre;

const nets::SampleShape points{true, 0, 0, 0, 2}, small{false, 28, 28, 1, 0}, large{false, 32, 32, 3, 0};

std::vector<std::string> names_of(const TensorFile& file) {
  std::vector<std::string> names;
  for (const auto& item : file.tensors) names.push_back(item.first);
  return names;
}

// As training leaves a network: weights away from their start, buffers that have seen samples.
void train_a_little(Network& network, const at::Tensor& x, const nets::Pass& pass) {
  network.initialize(Rng(5), 0);
  at::NoGradGuard no_graph;
  at::manual_seed(6);
  for (const auto& [name, parameter] : network.trained_parameters()) parameter.add_(at::randn_like(parameter) * 0.1);
  for (int i = 0; i < 3; ++i) network.forward(x + i, pass);
  network.eval();
}

struct Case {
  std::string name;
  std::shared_ptr<Network> stored, plain;
  at::Tensor x;
};

template <typename Config>
Config plainly(Config config) {
  config.equalized_lr = false;
  return config;
}

std::vector<Case> cases() {
  const nets::LatentConfig latent{6, nets::Prior::normal};
  nets::GeneratorConfig g{nets::Kind::dcgan, 4, 2}, points_g{nets::Kind::mlp, 8, 2};
  nets::DiscriminatorConfig d{nets::Kind::dcgan, 4, 2}, points_d{nets::Kind::mlp, 8, 2};
  g.equalized_lr = points_g.equalized_lr = d.equalized_lr = true;
  auto spectral = plainly(d), spectral_points = points_d;
  const auto plain_d = plainly(d);
  spectral.spectral_norm = spectral_points.spectral_norm = true;
  const nets::Conditioning projection{nets::ConditionalKind::projection, 3};
  std::vector<Case> all;
  for (const auto& shape : {small, large}) {
    const auto x = at::randn({5, shape.channels, shape.height, shape.width});
    all.push_back({"equalized dcgan G", make_generator(g, latent, shape), make_generator(plainly(g), latent, shape), at::randn({5, 6})});
    all.push_back({"equalized dcgan D", make_discriminator(d, shape), make_discriminator(plain_d, shape), x});
    all.push_back({"spectral dcgan D", make_discriminator(spectral, shape), make_discriminator(plain_d, shape), x});
    const auto projecting = [&](const nets::DiscriminatorConfig& config) { return make_discriminator(config, shape, projection); };
    all.push_back({"spectral D with projection", projecting(spectral), projecting(plain_d), x});
    all.push_back({"equalized D with projection", projecting(d), projecting(plain_d), x});
  }
  const auto points_of = [&](const nets::GeneratorConfig& config) { return make_generator(config, latent, points); };
  all.push_back({"equalized mlp G", points_of(points_g), points_of(plainly(points_g)), at::randn({5, 6})});
  all.push_back({"spectral mlp D", make_discriminator(spectral_points, points), make_discriminator(points_d, points), at::randn({5, 2})});
  return all;
}

// Through the bytes of the file, so that what is written is what is compared.
TEST(NetworkFile, MakesPlainLayersOfEqualOutputs) {
  at::manual_seed(4);
  for (const auto type : {at::kFloat, at::kDouble})
    for (auto& [name, stored, plain, input] : cases()) {
      const auto x = input.to(type);
      nets::Pass pass;
      pass.labels = at::tensor({0, 1, 2, 1, 0}, at::kLong);
      stored->to(type), plain->to(type);
      train_a_little(*stored, x, pass);
      take_network(from_safetensors(to_safetensors(network_file(*stored)), "a"), *plain, "a");
      plain->eval();
      const auto expected = stored->forward(x, pass);
      EXPECT_GT(expected.std().item<double>(), 1e-4) << name << ": outputs that are all alike compare nothing";
      EXPECT_LE((plain->forward(x, pass) - expected).abs().max().item<double>(), 1e-6) << name << " " << type;
    }
}

// What PyTorch's own layers call theirs.
TEST(NetworkFile, NamesAreThoseOfPlainLayers) {
  nets::DiscriminatorConfig d{nets::Kind::mlp, 4, 1};
  d.spectral_norm = true;
  auto net = make_discriminator(d, points, {nets::ConditionalKind::projection, 3});
  train_a_little(*net, at::randn({2, 2}), nets::Pass{.ranges = {}, .labels = at::zeros({2}, at::kLong)});
  EXPECT_THAT(names_of(network_file(*net)), ElementsAre("0.bias", "0.weight", "2.bias", "2.embedding.weight", "2.weight"));
  nets::GeneratorConfig g{nets::Kind::mlp, 4, 1};
  g.norm = nets::Norm::batch, g.equalized_lr = true;
  auto normed = make_generator(g, {3, nets::Prior::normal}, points);
  train_a_little(*normed, at::randn({4, 3}), {});
  const auto file = network_file(*normed);
  EXPECT_THAT(names_of(file), ElementsAre("0.bias", "0.weight", "1.bias", "1.num_batches_tracked", "1.running_mean", "1.running_var",
                                          "1.weight", "3.bias", "3.weight"));
  EXPECT_EQ(file.tensors.at("1.num_batches_tracked").item<int64_t>(), 3);
}

// σ of evaluation; a training pass would be another one.
TEST(NetworkFile, LeavesTheNetworkAsItWas) {
  nets::DiscriminatorConfig d{nets::Kind::dcgan, 4, 2};
  d.spectral_norm = true;
  auto net = make_discriminator(d, small);
  train_a_little(*net, at::randn({2, 1, 28, 28}), {});
  const auto u = net->named_buffers()["0.parametrizations.weight.0._u"].clone();
  network_file(*net);
  EXPECT_TRUE(at::equal(net->named_buffers()["0.parametrizations.weight.0._u"], u));
  net->train();
  EXPECT_THROW(network_file(*net), Error);
}

TEST(NetworkFile, KeepsAReferenceBatch) {
  nets::GeneratorConfig g{nets::Kind::mlp, 4, 1};
  g.norm = nets::Norm::virtual_batch, g.equalized_lr = true;
  const auto make = [&](const nets::GeneratorConfig& config) {
    auto net = make_generator(config, {3, nets::Prior::normal}, points);
    net->reserve_reference({5, 3});
    return net;
  };
  auto stored = make(g), plain = make(plainly(g));
  stored->set_reference(at::randn({5, 3}));
  train_a_little(*stored, at::randn({4, 3}), {});
  take_network(network_file(*stored), *plain, "a");
  plain->eval();
  const auto x = at::randn({4, 3});
  EXPECT_LE((plain->forward(x) - stored->forward(x)).abs().max().item<double>(), 1e-6);
}

TEST(NetworkFile, RefusesAnotherNetwork) {
  const auto made = [](int64_t width, int64_t depth) {
    auto net = make_generator({nets::Kind::mlp, width, depth}, {3, nets::Prior::normal}, points);
    net->initialize(Rng(1), 0);
    net->eval();
    return net;
  };
  auto file = network_file(*made(4, 1));
  EXPECT_NO_THROW(take_network(file, *made(4, 1), "a"));
  EXPECT_THROW(take_network(file, *made(4, 2), "a"), Error) << "it lacks a layer";
  EXPECT_THROW(take_network(file, *made(5, 1), "a"), Error) << "another shape";
  auto wide = made(4, 1);
  wide->to(at::kDouble);
  EXPECT_THROW(take_network(file, *wide, "a"), Error) << "another type";
  file.tensors["7.weight"] = at::zeros({1});
  EXPECT_THROW(take_network(file, *made(4, 1), "a"), Error) << "a tensor of no layer";
}

}  // namespace
}  // namespace ganymede::exporting
