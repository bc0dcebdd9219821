#include "evaluate/digit_classifier.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/isfinite.h>

#include <cmath>
#include <vector>

#include "core/error.hpp"
#include "nets/dropout.hpp"
#include "nets/pooling.hpp"

namespace ganymede::evaluate {
namespace {

constexpr int64_t penultimate_layer = 8;  // the ReLU behind Linear(3136, 128)
constexpr int64_t dropout_layer = 9;
constexpr int64_t init_index = 2;         // of purpose init, behind generator and discriminator
constexpr int64_t pictures_at_once = 250;
constexpr double grey_mean = 0.1307, grey_sd = 0.3081;  // of MNIST's training images in [0,1]

}  // namespace

std::shared_ptr<nets::Network> make_digit_classifier() {
  auto net = std::make_shared<nets::Network>("classifier");
  const auto convolution = [](int64_t in, int64_t out) {
    return nets::ConvShape{.in = in, .out = out, .kernel = 3, .stride = 1, .padding = 1, .bias = true};
  };
  net->add<nets::Conv2d>(convolution(1, 32)).add<nets::LeakyReLU>(0.0).add<nets::Pool>(nets::Pool::Kind::largest);
  net->add<nets::Conv2d>(convolution(32, 64)).add<nets::LeakyReLU>(0.0).add<nets::Pool>(nets::Pool::Kind::largest);
  net->add<nets::Reshape>(std::vector<int64_t>{64 * 7 * 7});
  net->add<nets::Linear>(64 * 7 * 7, digit_features, nets::Linear::Start::torch_default).add<nets::LeakyReLU>(0.0);
  net->add<nets::Dropout>(0.25, /*by_channel=*/false, dropout_layer);
  net->add<nets::Linear>(digit_features, digit_classes, nets::Linear::Start::torch_default);
  return net;
}

void initialize_digit_classifier(nets::Network& classifier, const Rng& rng) {
  at::NoGradGuard no_graph;
  int64_t place = 0;
  double bound = 0;
  for (auto& parameter : classifier.parameters()) {  // a bias follows its weight and shares its bound
    if (parameter.dim() > 1) bound = 1.0 / std::sqrt(static_cast<double>(parameter.numel() / parameter.size(0)));
    const auto u = rng.uniform(Draw{Purpose::init, 0, init_index}, place++, 1, parameter.numel());
    parameter.copy_((u * (2.0 * bound) - bound).view(parameter.sizes()));
  }
}

at::Tensor digit_input(const at::Tensor& bytes) {
  if (bytes.dim() != 3 || bytes.size(1) != digit_side || bytes.size(2) != digit_side || bytes.scalar_type() != at::kByte)
    throw Error(Fault::bug, "the digit classifier reads uint8 [n,28,28], not {} [{}]", toString(bytes.scalar_type()),
                fmt::join(bytes.sizes(), ","));
  return bytes.unsqueeze(1).to(at::kFloat).div_(255.0).sub_(grey_mean).div_(grey_sd);
}

JudgedDigits judge_digits(nets::Network& classifier, const at::Tensor& bytes) {
  at::NoGradGuard no_graph;
  const bool was_training = classifier.is_training();
  classifier.eval();
  std::vector<at::Tensor> probabilities, features;
  for (const auto& part : bytes.split(pictures_at_once)) {
    at::Tensor captured;
    nets::Pass pass;
    pass.capture_layer = penultimate_layer;
    pass.captured = &captured;
    probabilities.push_back(classifier.forward(digit_input(part), pass).to(at::kDouble).softmax(1));
    features.push_back(captured);
  }
  classifier.train(was_training);
  return {at::cat(probabilities), at::cat(features)};
}

exporting::TensorFile digit_classifier_file(const nets::Network& classifier) {
  exporting::TensorFile file;
  for (const auto& item : classifier.named_parameters()) file.tensors[item.key()] = item.value().detach();
  return file;
}

std::shared_ptr<nets::Network> digit_classifier_of(const exporting::TensorFile& file, const std::string& name) {
  const auto unless = [&](bool is_right, const std::string& what) {
    if (!is_right)
      throw Error(Fault::bad_data, "{} is no digit classifier", name)
          .cause("{}", what)
          .remedy("make one with `ganymede classifier train DATA OUT.safetensors`");
  };
  at::NoGradGuard no_graph;
  auto classifier = make_digit_classifier();
  const auto parameters = classifier->named_parameters();
  unless(file.tensors.size() == parameters.size(),
         fmt::format("it holds {} tensors, the classifier has {}", file.tensors.size(), parameters.size()));
  for (const auto& item : parameters) {
    const auto found = file.tensors.find(item.key());
    unless(found != file.tensors.end(), fmt::format("it lacks {}", item.key()));
    const auto& given = found->second;
    unless(given.sizes() == item.value().sizes() && given.scalar_type() == at::kFloat,
           fmt::format("its {} has another shape or type", item.key()));
    unless(at::isfinite(given).all().item<bool>(), fmt::format("its {} holds a value that is not finite", item.key()));
    at::Tensor(item.value()).copy_(given);
  }
  classifier->eval();
  return classifier;
}

}  // namespace ganymede::evaluate
