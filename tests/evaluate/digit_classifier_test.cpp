#include "evaluate/digit_classifier.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "core/error.hpp"

namespace ganymede::evaluate {
namespace {

std::shared_ptr<nets::Network> drawn(uint64_t seed) {
  auto classifier = make_digit_classifier();
  initialize_digit_classifier(*classifier, Rng(seed));
  return classifier;
}

at::Tensor pictures(int64_t n) {
  return (Rng(5).uniform({.purpose = Purpose::data}, 0, n, 784) * 256).floor().to(at::kByte).view({n, 28, 28});
}

TEST(DigitClassifier, HasThePublishedNumberOfParameters) {
  EXPECT_EQ(make_digit_classifier()->parameter_count(), 421'642);
  const auto file = digit_classifier_file(*make_digit_classifier());
  std::vector<std::string> names;
  for (const auto& [name, tensor] : file.tensors) names.push_back(name);
  EXPECT_THAT(names, testing::ElementsAre("0.bias", "0.weight", "10.bias", "10.weight", "3.bias", "3.weight", "7.bias", "7.weight"));
}

TEST(DigitClassifier, StartsUniformWithinTheRootOfItsInputs) {
  const auto file = digit_classifier_file(*drawn(1));
  for (const auto& [layer, inputs] : {std::pair("0", 9.0), {"3", 288.0}, {"7", 3136.0}, {"10", 128.0}})
    for (const char* part : {".weight", ".bias"}) {
      const auto& tensor = file.tensors.at(std::string(layer) + part);
      const double bound = 1.0 / std::sqrt(inputs), largest = tensor.abs().max().item<double>();
      EXPECT_LE(largest, bound * 1.0001) << layer << part;
      EXPECT_GT(largest, bound * 0.7) << layer << part;
    }
}

TEST(DigitClassifier, GivesProbabilitiesAndItsPenultimateFeatures) {
  const auto classifier = drawn(1);
  const auto bytes = pictures(300);  // more than go at once
  const auto judged = judge_digits(*classifier, bytes);
  EXPECT_EQ(judged.probabilities.sizes(), (std::vector<int64_t>{300, 10}));
  EXPECT_EQ(judged.features.sizes(), (std::vector<int64_t>{300, 128}));
  EXPECT_TRUE(judged.probabilities.sum(1).allclose(at::ones({300}, at::kDouble)));
  EXPECT_GE(judged.features.min().item<double>(), 0.0);
  const auto file = digit_classifier_file(*classifier);
  const auto logits = at::linear(judged.features, file.tensors.at("10.weight"), file.tensors.at("10.bias"));
  EXPECT_TRUE(logits.to(at::kDouble).softmax(1).allclose(judged.probabilities, 1e-4, 1e-6));
}

// The same layers as ATen's functions, written out.
TEST(DigitClassifier, IsTheStackOfItsLayers) {
  const auto classifier = drawn(2);
  const auto bytes = pictures(4);
  auto w = digit_classifier_file(*classifier).tensors;
  auto x = (bytes.unsqueeze(1).to(at::kFloat) / 255.0 - 0.1307) / 0.3081;
  x = at::max_pool2d(at::relu(at::conv2d(x, w["0.weight"], w["0.bias"], 1, 1)), {2, 2});
  x = at::max_pool2d(at::relu(at::conv2d(x, w["3.weight"], w["3.bias"], 1, 1)), {2, 2});
  x = at::linear(at::relu(at::linear(x.flatten(1), w["7.weight"], w["7.bias"])), w["10.weight"], w["10.bias"]);
  EXPECT_TRUE(judge_digits(*classifier, bytes).probabilities.allclose(x.to(at::kDouble).softmax(1), 1e-5, 1e-7));
}

TEST(DigitClassifier, DropsOutInTrainingOnly) {
  const auto classifier = drawn(1);
  const auto bytes = pictures(8);
  const Rng rng(3);
  nets::Pass pass;
  pass.rng = &rng;
  classifier->train();
  const auto first = classifier->forward(digit_input(bytes), pass);
  pass.step = 1;
  EXPECT_FALSE(first.equal(classifier->forward(digit_input(bytes), pass)));
  const auto judged = judge_digits(*classifier, bytes).probabilities;
  EXPECT_TRUE(judged.equal(judge_digits(*classifier, bytes).probabilities));
  EXPECT_TRUE(classifier->is_training());
}

TEST(DigitClassifier, IsReadBackFromItsFile) {
  const auto classifier = drawn(1);
  const auto bytes = exporting::to_safetensors(digit_classifier_file(*classifier));
  const auto again = digit_classifier_of(exporting::from_safetensors(bytes, "c"), "c");
  EXPECT_FALSE(again->is_training());
  EXPECT_TRUE(judge_digits(*again, pictures(8)).probabilities.equal(judge_digits(*classifier, pictures(8)).probabilities));
}

TEST(DigitClassifier, RefusesFilesOfOtherNetworks) {
  const auto refused = [](const char* what, const std::function<void(exporting::TensorFile&)>& change) {
    auto file = digit_classifier_file(*drawn(1));
    change(file);
    try {
      digit_classifier_of(file, "c");
      ADD_FAILURE() << what;
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::bad_data);
      EXPECT_THAT(error.what(), testing::HasSubstr(what));
    }
  };
  refused("7 tensors", [](auto& file) { file.tensors.erase("0.bias"); });
  refused("lacks 0.bias", [](auto& file) { file.tensors["x"] = file.tensors["0.bias"], file.tensors.erase("0.bias"); });
  refused("another shape", [](auto& file) { file.tensors["0.bias"] = at::zeros({33}); });
  refused("or type", [](auto& file) { file.tensors["0.bias"] = at::zeros({32}, at::kDouble); });
  refused("not finite", [](auto& file) { file.tensors["0.bias"] = at::full({32}, NAN); });
}

TEST(DigitClassifier, ReadsBytesOf28Pixels) {
  EXPECT_THROW(digit_input(at::zeros({1, 28, 28})), Error);
  EXPECT_THROW(digit_input(at::zeros({1, 32, 32}, at::kByte)), Error);
  EXPECT_NEAR(digit_input(at::full({1, 28, 28}, 255, at::kByte)).max().item<double>(), (1 - 0.1307) / 0.3081, 1e-5);
}

}  // namespace
}  // namespace ganymede::evaluate
