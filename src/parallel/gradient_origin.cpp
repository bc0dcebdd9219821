#include "parallel/gradient_origin.hpp"

#include <ATen/ops/isinf.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/sum.h>
#include <fmt/ranges.h>

#include <charconv>
#include <cmath>

namespace ganymede::parallel {
namespace {

constexpr size_t most_named = 6;

// "3.weight of Linear 8 -> 2: NaN in 1, +Inf in 2 of 16 elements"; empty if all are finite.
std::string describe(const FlatNetwork& flat, const FlatNetwork::Slot& slot, const at::Tensor& gradient) {
  const auto count = [](const at::Tensor& which) { return which.sum().item<int64_t>(); };
  const int64_t nan = count(at::isnan(gradient)), positive = count(gradient == INFINITY), negative = count(gradient == -INFINITY);
  std::vector<std::string> kinds;
  for (const auto& [what, elements] : {std::pair{"NaN", nan}, std::pair{"+Inf", positive}, std::pair{"-Inf", negative}})
    if (elements > 0) kinds.push_back(fmt::format("{} in {}", what, elements));
  if (kinds.empty()) return {};
  size_t layer = 0;
  std::from_chars(slot.name.data(), slot.name.data() + slot.name.size(), layer);
  return fmt::format("{} of {}: {} of {} elements", slot.name, flat.network()->layer(layer).describe(), fmt::join(kinds, ", "), gradient.numel());
}

}  // namespace

void GradientOrigin::remember(gan::Player player, size_t bucket, const at::Tensor& own) {
  if (communicator_.size() == 1) return;
  auto& sums = sums_[static_cast<size_t>(player)];
  if (sums.size() <= bucket) sums.resize(bucket + 1);
  sums[bucket] = own.sum();
}

std::string GradientOrigin::explain(gan::Player player, const FlatNetwork& flat, const std::string& found_here, Deadline deadline) const {
  std::vector<std::string> tensors;
  for (const auto& slot : flat.slots())
    if (auto text = describe(flat, slot, flat.view(flat.weights().gradients, slot)); !text.empty()) tensors.push_back(std::move(text));
  std::string text;
  if (tensors.empty()) {
    text = "each element is finite, and their norm is too large for the precision";
  } else {
    const size_t others = tensors.size() > most_named ? tensors.size() - most_named : 0;
    tensors.resize(std::min(tensors.size(), most_named));
    text = fmt::format("{}{}", fmt::join(tensors, "; "), others > 0 ? fmt::format("; and {} more tensors", others) : "");
  }
  if (communicator_.size() == 1) return found_here.empty() ? text : fmt::format("{} ({})", text, found_here);

  bool is_own = false;
  for (const auto& sum : sums_[static_cast<size_t>(player)]) is_own = is_own || (sum.defined() && !std::isfinite(sum.item<double>()));
  std::string own;
  if (is_own || !found_here.empty())
    own = fmt::format("rank {} on {}{}", communicator_.rank(), communicator_.hosts()[communicator_.rank()], found_here.empty() ? "" : " (" + found_here + ")");
  std::vector<std::string> ranks;
  for (auto& one : communicator_.gather_texts(own, "origin of a gradient that is not finite", deadline))
    if (!one.empty()) ranks.push_back(std::move(one));
  if (ranks.empty()) return text + "; each rank's own part was finite, so it is their sum, or a term of the weights";
  return fmt::format("{}; it came from {}", text, fmt::join(ranks, ", "));
}

}  // namespace ganymede::parallel
