#include "nets/batch_norm.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/error.hpp"

namespace ganymede::nets {
namespace {

constexpr double epsilon = 1e-5;
constexpr double momentum = 0.1;

struct Moments {
  double count = 0;
  at::Tensor mean, variance;  // [C], in the type of the weights; variance is the biased one
};

// n, mean and M2 of each rank -> those of all, added up in rank order in float64.
Moments global_moments(const at::Tensor& x, at::ScalarType type, BatchStatistics& statistics) {
  const int64_t channels = x.size(1);
  auto own = at::zeros({1 + 2 * channels}, at::kDouble);
  const double count = static_cast<double>(x.numel() / channels);
  if (count > 0) {
    const auto [mean, variance] = at::batch_norm_update_stats(x, {}, {}, 0.0);
    own[0].fill_(count);
    own.slice(0, 1, 1 + channels).copy_(mean);
    own.slice(0, 1 + channels).copy_(variance).mul_(count);
  }
  const auto all = statistics.all_gather(own, "batch norm moments");
  double total = 0;
  auto combined = at::zeros({channels}, at::kDouble), m2 = at::zeros({channels}, at::kDouble);
  for (int64_t r = 0; r < all.size(0); ++r) {
    const auto row = all[r];
    const double n = row[0].item<double>();
    if (n == 0) continue;
    const auto delta = row.slice(0, 1, 1 + channels) - combined;
    combined.add_(delta, n / (total + n));
    m2.add_(row.slice(0, 1 + channels)).add_(delta * delta, total * n / (total + n));
    total += n;
  }
  return {total, combined.to(type), (m2 / total).to(type)};
}

at::Tensor per_channel(const at::Tensor& values, const at::Tensor& like) {
  std::vector<int64_t> shape(like.dim(), 1);
  shape[1] = values.size(0);
  return values.view(shape);
}

// LibTorch's batch_norm_stats and batch_norm_elemt exist for CUDA only. With given statistics, normalizing is the evaluation
// form of native_batch_norm; its backward gives γ·invstd·dy and both channel sums, and one affine pass in x adds the rest:
//   dx = γ·invstd·(dy − Σdy/n − x̂·Σ(dy·x̂)/n).
// [64,64,32,32], forward and backward: 11 ms, against 56 ms for composed operations and 7.8 ms for the local one.
class GlobalBatchNorm : public torch::autograd::Function<GlobalBatchNorm> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                            const at::Tensor& mean, const at::Tensor& variance, double count, BatchStatistics* statistics) {
    context->save_for_backward({x, weight, mean, variance});
    context->saved_data["count"] = count;
    context->saved_data["statistics"] = reinterpret_cast<int64_t>(statistics);
    return std::get<0>(at::native_batch_norm(x, weight, bias, mean, variance, /*training=*/false, momentum, epsilon));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    if (at::GradMode::is_enabled())
      throw Error(Fault::bug, "second derivatives through batch norm over the global batch are not defined here");
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &weight = saved[1], &mean = saved[2], &variance = saved[3];
    const double count = context->saved_data["count"].toDouble();
    auto* statistics = reinterpret_cast<BatchStatistics*>(context->saved_data["statistics"].toInt());
    // Channels-last convolutions want their gradient in the layout of x.
    const auto dy = gradients[0].contiguous(x.suggest_memory_format());
    const auto invstd = at::rsqrt(variance + epsilon);
    auto [dx, d_weight, d_bias] = at::native_batch_norm_backward(dy, x, weight, mean, variance, {}, {}, /*train=*/false, epsilon, {true, true, true});
    auto sums = at::stack({d_bias, d_weight}).to(at::kDouble);
    statistics->all_reduce_sum(sums, "batch norm gradient sums");
    sums = sums.div_(count).to(weight.scalar_type());
    const auto scale = weight * invstd;
    const auto slope = scale * invstd * sums[1];
    const auto offset = scale * sums[0] - slope * mean;
    dx.addcmul_(x, per_channel(slope, x), -1.0).sub_(per_channel(offset, x));
    return {dx, d_weight, d_bias, {}, {}, {}, {}};
  }
};

}  // namespace

BatchNorm::BatchNorm(int64_t channels) : channels_(channels) {
  weight_ = register_parameter("weight", at::empty({channels}));
  bias_ = register_parameter("bias", at::empty({channels}));
  running_mean_ = register_buffer("running_mean", at::zeros({channels}));
  running_var_ = register_buffer("running_var", at::ones({channels}));
  num_batches_tracked_ = register_buffer("num_batches_tracked", at::zeros({}, at::kLong));
}

at::Tensor BatchNorm::forward(const at::Tensor& x) {
  if (!is_training()) return at::batch_norm(x, weight_, bias_, running_mean_, running_var_, false, momentum, epsilon, false);
  num_batches_tracked_.add_(1);
  if (!statistics_) return at::batch_norm(x, weight_, bias_, running_mean_, running_var_, true, momentum, epsilon, false);
  const auto moments = [&] {
    at::NoGradGuard no_graph;
    auto m = global_moments(x.detach(), weight_.scalar_type(), *statistics_);
    running_mean_.mul_(1.0 - momentum).add_(m.mean, momentum);
    running_var_.mul_(1.0 - momentum).add_(m.variance, momentum * m.count / (m.count - 1.0));
    return m;
  }();
  return GlobalBatchNorm::apply(x, weight_, bias_, moments.mean, moments.variance, moments.count, statistics_);
}

std::string BatchNorm::describe() const { return fmt::format("BatchNorm({})", channels_); }
std::vector<Init> BatchNorm::initial() const { return {Init::normal(1.0, 0.02), Init::constant(0.0)}; }

}  // namespace ganymede::nets
