#include "nets/dropout.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/error.hpp"

namespace ganymede::nets {

at::Tensor Dropout::mask(const at::Tensor& rows, const Pass& pass, const RowRange& range) const {
  constexpr int64_t passes = 8;  // sources that a layer tells apart
  const int64_t channels = rows.size(1), index = passes * number_ + static_cast<int64_t>(range.source);
  auto sizes = rows.sizes().vec();
  if (by_channel_) std::fill(sizes.begin() + 2, sizes.end(), 1);
  int64_t elements = channels;
  for (size_t axis = 2; axis < sizes.size(); ++axis) elements *= sizes[axis];
  sizes.erase(sizes.begin() + 1), sizes.push_back(channels);  // as samples lie on disk
  const auto kept = uniform_rows(*pass.rng, Draw{Purpose::dropout, pass.step, index}, range, elements) >= p_;
  return kept.view(sizes).movedim(-1, 1).to(rows.scalar_type()).mul_(1.0 / (1.0 - p_));
}

at::Tensor Dropout::forward(const at::Tensor& x, const Pass& pass) {
  if (!is_training() || p_ == 0.0) return x;
  if (!pass.rng) throw Error(Fault::bug, "layer {}, {}, is in training and was given no random numbers", number_, describe());
  return for_each_range(x, pass, [&](const at::Tensor& rows, const RowRange& range) {
    return range.source == Source::reference ? rows : rows * mask(rows, pass, range);
  });
}

std::string Dropout::describe() const { return fmt::format("Dropout({}{})", p_, by_channel_ ? ", by channel" : ""); }

}  // namespace ganymede::nets
