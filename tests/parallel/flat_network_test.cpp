#include "parallel/flat_network.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "nets/architectures.hpp"

namespace ganymede::parallel {
namespace {

std::shared_ptr<nets::Network> small_generator() {
  auto g = nets::make_generator({nets::Kind::dcgan, 4, 2}, {6, nets::Prior::normal}, {false, 28, 28, 1, 0});
  g->initialize(Rng(3), 0);
  return g;
}

TEST(FlatNetwork, KeepsEveryWeightAndItsPlace) {
  auto g = small_generator();
  std::map<std::string, at::Tensor> before;
  for (const auto& item : g->named_parameters()) before[item.key()] = item.value().detach().clone();
  const FlatNetwork flat(g, true);
  for (const auto& item : g->named_parameters()) EXPECT_TRUE(at::equal(item.value(), before[item.key()])) << item.key();
  EXPECT_EQ(flat.slots().front().name, "7.bias") << "backward order: the last layer's last parameter first";
  for (const auto& slot : flat.slots()) {
    EXPECT_NE(slot.name, "0.bias") << "untrained in front of batch norm";
    EXPECT_EQ(reinterpret_cast<uintptr_t>(slot.parameter.data_ptr()) % 64, reinterpret_cast<uintptr_t>(flat.weights().parameters.data_ptr()) % 64);
  }
}

TEST(FlatNetwork, GradientsLandInTheFlatTensor) {
  auto g = small_generator();
  const FlatNetwork flat(g, true);
  g->forward(at::randn({3, 6})).square().sum().backward();
  flat.check_aliases();
  double sum = 0;
  for (const auto& slot : flat.slots()) sum += slot.parameter.grad().square().sum().item<double>();
  EXPECT_GT(sum, 0.0);
  EXPECT_NEAR(flat.weights().gradients.square().sum().item<double>(), sum, 1e-5 * sum) << "the gaps hold zeros";
}

TEST(FlatNetwork, NoticesAGradientThatLeft) {
  auto g = small_generator();
  const FlatNetwork flat(g, true);
  auto parameter = flat.slots()[1].parameter;
  parameter.mutable_grad() = at::zeros_like(parameter);
  EXPECT_THROW(flat.check_aliases(), Error);
}

// Autograd must refuse a backward through weights that were updated in place after the forward.
TEST(FlatNetwork, UpdatesAreSeenByAutograd) {
  auto g = small_generator();
  const FlatNetwork flat(g, true);
  const auto loss = g->forward(at::randn({3, 6})).sum();
  {
    at::NoGradGuard no_graph;
    flat.weights().parameters.add_(1.0);
  }
  flat.mark_updated();
  EXPECT_THROW(loss.backward(), c10::Error);
}

}  // namespace
}  // namespace ganymede::parallel
