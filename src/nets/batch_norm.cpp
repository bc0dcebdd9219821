#include "nets/batch_norm.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "nets/block.hpp"
#include "nets/norm_kernels.hpp"

namespace ganymede::nets {
namespace {

// n, mean and M2 of each rank -> those of all, added up in rank order in float64.
NormStatistics batch_statistics(const at::Tensor& x, BatchStatistics* statistics) {
  const int64_t channels = x.size(1);
  const auto moments = channel_moments(x);
  const double count = static_cast<double>(x.numel() / channels);
  if (!statistics) return {moments[0], moments[1] / count, count, nullptr};
  const auto all = statistics->all_gather(at::cat({at::full({1}, count, at::kDouble), moments.flatten()}), "batch norm moments");
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
  return {combined, m2 / total, total, statistics};
}

}  // namespace

RunningStatistics::RunningStatistics(torch::nn::Module& layer, int64_t channels, double momentum)
    : momentum_(momentum), mean_(layer.register_buffer("running_mean", at::zeros({channels}))),
      variance_(layer.register_buffer("running_var", at::ones({channels}))),
      batches_(layer.register_buffer("num_batches_tracked", at::zeros({}, at::kLong))) {}

NormStatistics RunningStatistics::measure(const at::Tensor& x, bool training, BatchStatistics* over_ranks) {
  at::NoGradGuard no_graph;
  if (!training) return {mean_.to(at::kDouble, false, true), variance_.to(at::kDouble, false, true), 0, nullptr};
  batches_.add_(1);
  const auto s = batch_statistics(x.detach(), over_ranks);
  mean_.mul_(1.0 - momentum_).add_(s.mean, momentum_);
  variance_.mul_(1.0 - momentum_).add_(s.variance, momentum_ * s.count / (s.count - 1.0));
  return s;
}

BatchNorm::BatchNorm(int64_t channels, double momentum)
    : channels_(channels), weight_(register_parameter("weight", at::empty({channels}))),
      bias_(register_parameter("bias", at::empty({channels}))), running_(*this, channels, momentum) {}

NormInput BatchNorm::prepare(const at::Tensor& x) { return {weight_, bias_, running_.measure(x, is_training(), statistics_)}; }

at::Tensor BatchNorm::forward(const at::Tensor& x, const Pass&) { return run_block(x, prepare(x), 1.0, nullptr, /*owns_input=*/false); }

std::string BatchNorm::describe() const { return fmt::format("BatchNorm({})", channels_); }
std::vector<Init> BatchNorm::initial() const { return {Init::normal(1.0, 0.02), Init::constant(0.0)}; }

}  // namespace ganymede::nets
