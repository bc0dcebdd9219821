#include "nets/minibatch_discrimination.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/custom_function.h>

#include "nets/collectives.hpp"

namespace ganymede::nets {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Composed of separate operations, the differences (I times the result) would be kept for the backward pass.
class L1Distances : public torch::autograd::Function<L1Distances> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& a, const at::Tensor& b) {
    context->save_for_backward({a, b});
    auto sum = at::zeros({a.size(1), a.size(2), b.size(2)}, a.options());
    for (int64_t i = 0; i < a.size(0); ++i) sum.add_((a[i].unsqueeze(2) - b[i].unsqueeze(1)).abs_());
    return sum;
  }
  // Linear in the gradient that arrives; the signs are constants, so a second derivative needs no more.
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto a = saved[0].detach(), b = saved[1].detach();
    std::vector<at::Tensor> da, db;
    for (int64_t i = 0; i < a.size(0); ++i) {
      const auto signed_gradient = gradients[0] * (a[i].unsqueeze(2) - b[i].unsqueeze(1)).sign_();
      da.push_back(signed_gradient.sum(2)), db.push_back(-signed_gradient.sum(1));
    }
    return {at::stack(da), at::stack(db)};
  }
};

}  // namespace

at::Tensor l1_distances(const at::Tensor& a, const at::Tensor& b) { return L1Distances::apply(a, b); }

MinibatchDiscrimination::MinibatchDiscrimination(int64_t features, int64_t kernels, int64_t size, bool is_plain)
    : features_(features), kernels_(kernels), size_(size), is_plain_(is_plain) {
  weight_ = register_parameter("weight", at::empty({features, kernels, size}));
  if (is_plain) return;
  log_scale_ = register_parameter("log_scale", at::empty({kernels, size}));
  bias_ = register_parameter("bias", at::empty({kernels}));
}

std::vector<Init> MinibatchDiscrimination::initial() const {
  if (is_plain_) return {Init::normal(0.0, 1.0)};
  return {Init::normal(0.0, 0.05), Init::constant(0.0), Init::constant(-1.0)};
}

at::Tensor MinibatchDiscrimination::forward(const at::Tensor& x, const Pass& pass) {
  const auto tensor = is_plain_ ? weight_ : weight_ * (log_scale_.exp() / weight_.square().sum(0).sqrt());
  const auto projected = at::matmul(x, tensor.view({features_, kernels_ * size_})).to(weight_.scalar_type());
  const auto nearness = for_each_range(projected, pass, [&](const at::Tensor& own, const RowRange& range) {
    const auto all = ggather(own, range.starts, across_ranks(range, statistics_), "minibatch discrimination");
    const auto by_kernel = [&](const at::Tensor& m) { return m.view({m.size(0), kernels_, size_}).permute({2, 1, 0}).contiguous(); };
    return at::exp(-l1_distances(by_kernel(own), by_kernel(all))).sum(2).t() - 1.0;  // less the sample's nearness to itself
  });
  return at::cat({x, (is_plain_ ? nearness : nearness + bias_).to(x.scalar_type())}, 1);
}

std::string MinibatchDiscrimination::describe() const {
  return fmt::format("MinibatchDiscrimination({}, {} kernels of {}{})", features_, kernels_, size_, is_plain_ ? ", plain" : "");
}

}  // namespace ganymede::nets
