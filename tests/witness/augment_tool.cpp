// Lets a script call the augmentations: cases as JSON on standard input, answers as JSON on standard output.
//   case    {kind: "diff"|"ada", policy | p and multipliers, shape, x, weight, seed, step, first_place, pass}; all in float64
//   answer  {y, first, second}: the result; g = d Σ w·y³ / dx; d Σ g² / dx
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "gan/augment.hpp"

namespace ganymede::gan {
namespace {

using Json = nlohmann::json;

at::Tensor tensor(const Json& numbers, const std::vector<int64_t>& shape) {
  return at::tensor(numbers.get<std::vector<double>>(), at::kDouble).reshape(shape);
}

Json numbers(const at::Tensor& t) {
  const auto flat = t.detach().contiguous();
  return std::vector<double>(flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel());
}

AdaMultipliers multipliers(const Json& m) {
  const auto of = [&](const char* name) { return m.at(name).get<double>(); };
  return {of("x_flip"), of("turns"), of("integer_shifts"), of("scale"), of("rotation"),
          of("stretch"), of("shift"), of("brightness"), of("contrast"), of("luma_flip"), of("hue"), of("saturation")};
}

Json answer(const Json& one) {
  const auto shape = one.at("shape").get<std::vector<int64_t>>();
  const auto x = tensor(one.at("x"), shape).requires_grad_(true);
  const Rng rng(one.at("seed").get<uint64_t>());
  const auto pass = static_cast<AugmentPass>(one.at("pass").get<int64_t>());
  const auto draw = augment_uniforms(rng, pass, one.at("step"), one.at("first_place"), shape[0]);
  const auto y = one.at("kind") == "diff" ? diff_augment(x, parse_policy(one.at("policy")), draw)
                                          : ada_transform(x, one.at("p"), multipliers(one.at("multipliers")), draw);
  const auto first = torch::autograd::grad({(tensor(one.at("weight"), shape) * y.pow(3)).sum()}, {x}, {}, true, true)[0];
  const auto second = torch::autograd::grad({first.square().sum()}, {x})[0];
  return {{"y", numbers(y)}, {"first", numbers(first)}, {"second", numbers(second)}};
}

}  // namespace
}  // namespace ganymede::gan

int main() {
  try {
    nlohmann::json answers = nlohmann::json::array();
    for (const auto& one : nlohmann::json::parse(std::cin)) answers.push_back(ganymede::gan::answer(one));
    std::cout << answers << '\n';
    return 0;
  } catch (const ganymede::Error& e) {
    std::cerr << e.what() << '\n';
    return e.exit_code();
  }
}
