#include "evaluate/digit_modes.hpp"

#include <ATen/ops/bincount.h>
#include <ATen/ops/special_xlogy.h>

#include <limits>
#include <tuple>

#include "core/error.hpp"

namespace ganymede::evaluate {
namespace {

struct Modes {
  int64_t hit;
  double kl;
};

Modes modes_of(const at::Tensor& classes) {
  if (classes.numel() == 0) return {0, std::numeric_limits<double>::quiet_NaN()};
  const auto p = at::bincount(classes, {}, stack_classes).to(at::kDouble) / static_cast<double>(classes.numel());
  return {(p > 0).sum().item<int64_t>(), at::special_xlogy(p, p * static_cast<double>(stack_classes)).sum().item<double>()};
}

}  // namespace

DigitScore digit_score(const at::Tensor& probabilities, const at::Tensor& frequencies) {
  if (probabilities.dim() != 2 || probabilities.size(0) < 1 || frequencies.dim() != 1 || probabilities.size(1) != frequencies.size(0))
    throw Error(Fault::bug, "probabilities [{}] are judged against {} frequencies", fmt::join(probabilities.sizes(), ","),
                frequencies.numel());
  const auto k = frequencies.size(0);
  const auto n = static_cast<double>(probabilities.size(0));
  const auto [confidence, named] = probabilities.max(1);
  const auto accepted = named.masked_select(confidence >= confident);
  const auto p = frequencies.to(at::kDouble);
  const auto q = at::bincount(named, {}, k).to(at::kDouble) / n, a = at::bincount(accepted, {}, k).to(at::kDouble) / n;
  const double rejected = 1.0 - static_cast<double>(accepted.numel()) / n;
  return {.shares = q,
          .covered_at_1_percent = (q >= 0.01).sum().item<int64_t>(),
          .covered_at_quarter = (q >= 0.25 / static_cast<double>(k)).sum().item<int64_t>(),
          .total_variation = 0.5 * (q - p).abs().sum().item<double>(),
          .rejected = rejected,
          .confident_total_variation = 0.5 * ((a - p).abs().sum().item<double>() + rejected)};
}

at::Tensor stack_class(const at::Tensor& probabilities) {
  if (probabilities.dim() != 3 || probabilities.size(1) != 3 || probabilities.size(2) != 10)
    throw Error(Fault::bug, "stacks are judged by probabilities [n,3,10], not [{}]", fmt::join(probabilities.sizes(), ","));
  const auto digit = probabilities.argmax(2);
  return digit.select(1, 0) * 100 + digit.select(1, 1) * 10 + digit.select(1, 2);
}

StackScore stack_score(const at::Tensor& probabilities) {
  const auto named = stack_class(probabilities);
  if (named.numel() == 0) throw Error(Fault::bug, "no stacks to judge");
  const auto is_accepted = (std::get<0>(probabilities.max(2)) >= confident).all(1);
  const auto all = modes_of(named), sure = modes_of(named.masked_select(is_accepted));
  return {.modes = all.hit,
          .kl = all.kl,
          .accepted = is_accepted.to(at::kDouble).mean().item<double>(),
          .confident_modes = sure.hit,
          .confident_kl = sure.kl};
}

}  // namespace ganymede::evaluate
