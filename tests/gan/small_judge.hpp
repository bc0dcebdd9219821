// For tests of one term or filter at a time: small discriminators with known slopes, a judge over one of them, and rows as if they
// had been judged.
#pragma once
#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <vector>

#include "gan/scene.hpp"
#include "nets/batch_statistics.hpp"

namespace ganymede::test {

/// D(x) = ⟨w, x⟩, without bias: its slope is w everywhere.
class Slope final : public nets::Layer {
 public:
  explicit Slope(at::Tensor start) : weight(register_parameter("weight", start.to(at::kDouble).clone())) {}
  at::Tensor forward(const at::Tensor& x, const nets::Pass&) override { return at::matmul(x.flatten(1), weight); }
  std::string describe() const override { return "Slope"; }
  at::Tensor weight;
};

/// D(x) = ½a‖x‖²: its slope at x is a·x.
class Bowl final : public nets::Layer {
 public:
  explicit Bowl(double a) : weight(register_parameter("weight", at::full({1}, a, at::kDouble))) {}
  at::Tensor forward(const at::Tensor& x, const nets::Pass&) override { return weight * 0.5 * x.flatten(1).square().sum(1); }
  std::string describe() const override { return "Bowl"; }
  at::Tensor weight;
};

template <typename L, typename... Args>
std::shared_ptr<nets::Network> discriminator_of(Args&&... args) {
  auto network = std::make_shared<nets::Network>("discriminator");
  network->add<L>(std::forward<Args>(args)...);
  return network;
}

inline at::Tensor vector(const std::vector<double>& values) { return at::tensor(values, at::kDouble); }

/// A judge in float64. N: rows of D in the global batch.
struct SmallJudge {
  explicit SmallJudge(int64_t n, std::shared_ptr<nets::Network> d = discriminator_of<Slope>(vector({1})),
                      nets::BatchStatistics* statistics = nullptr)
      : network(std::move(d)), judge({gan::Precision::float64, n, 1, statistics}, *network, rng, filters) {}
  SmallJudge(const SmallJudge&) = delete;
  SmallJudge& operator=(const SmallJudge&) = delete;

  /// The gradient of `loss` for D's weights, all in one vector.
  at::Tensor gradient(const at::Tensor& loss) const {
    network->zero_grad();
    loss.backward();
    std::vector<at::Tensor> all;
    for (const auto& p : network->parameters()) all.push_back(p.grad().defined() ? p.grad().flatten() : at::zeros_like(p).flatten());
    return at::cat(all);
  }

  Rng rng{20};
  std::vector<std::unique_ptr<gan::Filter>> filters;
  std::shared_ptr<nets::Network> network;
  gan::Judge judge;
};

/// All rows of a batch on one rank.
inline nets::RowRange whole(int64_t rows, nets::Source source = nets::Source::d_real) { return {source, rows, 0, rows, {}, {}}; }

inline gan::Judged with_outputs(const at::Tensor& outputs, nets::RowRange range) {
  gan::Judged judged;
  judged.outputs = outputs, judged.range = std::move(range);
  return judged;
}
inline gan::Judged with_outputs(const at::Tensor& outputs) { return with_outputs(outputs, whole(outputs.size(0))); }

inline gan::Judged with_input(const at::Tensor& input, nets::RowRange range, int64_t step = 0) {
  gan::Judged judged;
  judged.input = input, judged.range = std::move(range), judged.step = step;
  return judged;
}
inline gan::Judged with_input(const at::Tensor& input, int64_t step = 0) { return with_input(input, whole(input.size(0)), step); }

}  // namespace ganymede::test
