#include "gan/diff_augment.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/floor.h>
#include <ATen/ops/logical_and.h>
#include <ATen/ops/mean.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "config/fields.hpp"
#include "core/error.hpp"

namespace ganymede::gan {
namespace {

constexpr int64_t color_draw = 0, translation_draw = 1, cutout_draw = 2;
constexpr int64_t least_side = 8;  // below it a shift of side/8 is none

/// [B] integers 0 … choices−1 as int64, shaped [B,1,1], on the device of x.
at::Tensor integers(const at::Tensor& uniform, int64_t choices, const at::Tensor& x) {
  return at::floor(uniform * static_cast<double>(choices)).to(x.device(), at::kLong).reshape({-1, 1, 1});
}

at::Tensor rows_of(const at::Tensor& x) { return at::arange(x.size(-2), x.options().dtype(at::kLong)).reshape({1, -1, 1}); }
at::Tensor columns_of(const at::Tensor& x) { return at::arange(x.size(-1), x.options().dtype(at::kLong)).reshape({1, 1, -1}); }

/// [B,H,W] of yes and no in the type of x, with an axis for each that stands between B and H.
at::Tensor as_mask(const at::Tensor& yes, const at::Tensor& x) {
  std::vector<int64_t> shape(x.dim(), 1);
  shape.front() = x.size(0), shape[x.dim() - 2] = x.size(-2), shape.back() = x.size(-1);
  return yes.to(x.scalar_type()).reshape(shape);
}

at::Tensor around(const at::Tensor& x, const at::Tensor& mean, const at::Tensor& factor) { return (x - mean) * factor + mean; }

at::Tensor color(const at::Tensor& x, const at::Tensor& u) {
  std::vector<int64_t> all_but_samples(x.dim() - 1);
  std::iota(all_but_samples.begin(), all_but_samples.end(), 1);
  const auto brighter = x + per_sample(u.select(1, 0) - 0.5, x);
  const auto saturated = around(brighter, brighter.mean(1, /*keepdim=*/true), per_sample(u.select(1, 1) * 2.0, x));
  return around(saturated, saturated.mean(all_but_samples, /*keepdim=*/true), per_sample(u.select(1, 2) + 0.5, x));
}

at::Tensor translation(const at::Tensor& x, const at::Tensor& u) {
  const int64_t height = x.size(-2), width = x.size(-1), most_down = height / 8, most_right = width / 8;
  const auto from_row = rows_of(x) - (integers(u.select(1, 0), 2 * most_down + 1, x) - most_down);
  const auto from_column = columns_of(x) - (integers(u.select(1, 1), 2 * most_right + 1, x) - most_right);
  const auto inside = (from_row >= 0).logical_and(from_row < height).logical_and((from_column >= 0).logical_and(from_column < width));
  return take_pixels(x, from_row.clamp(0, height - 1) * width + from_column.clamp(0, width - 1)) * as_mask(inside, x);
}

/// Which of the places 0 … side−1 the rectangle covers along one axis.
at::Tensor covered(const at::Tensor& places, int64_t side, const at::Tensor& u, const at::Tensor& x) {
  const int64_t length = side / 2;
  const auto first = integers(u, side + 1 - length % 2, x) - length / 2;
  return (places >= first).logical_and(places < first + length);
}

at::Tensor cutout(const at::Tensor& x, const at::Tensor& u) {
  const auto cut = covered(rows_of(x), x.size(-2), u.select(1, 0), x).logical_and(covered(columns_of(x), x.size(-1), u.select(1, 1), x));
  return x * as_mask(cut.logical_not(), x);
}

}  // namespace

AugmentPolicy parse_policy(const std::string& text) {
  AugmentPolicy policy;
  if (text.empty()) return policy;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const auto word = text.substr(begin, end - begin);
    if (word == "color") policy.color = true;
    else if (word == "translation") policy.translation = true;
    else if (word == "cutout") policy.cutout = true;
    else {
      const auto meant = config::nearest(word, {"color", "translation", "cutout"});
      throw Error(Fault::recipe, "augment.policy = \"{}\": '{}' is none of color, translation, cutout{}", text, word,
                  meant.empty() ? "" : "; did you mean '" + meant + "'?")
          .remedy("name them with commas between, as in \"color,translation\"");
    }
    begin = end + 1;
  }
  return policy;
}

void check_shape(const AugmentPolicy& policy, at::IntArrayRef sizes) {
  if (policy.is_empty()) return;
  const size_t axes = sizes.size();
  if (axes != 4 && axes != 5)
    throw Error(Fault::recipe, "augment.policy changes pictures, and a sample here is {}",
                axes == 2 ? "a point" : "neither picture nor video")
        .remedy("leave augment.policy empty");
  if (axes == 5 && policy.cutout)
    throw Error(Fault::recipe, "augment.policy: cutout is for pictures, not for video").remedy("use color,translation");
  const int64_t height = sizes[axes - 2], width = sizes[axes - 1];
  if (std::min(height, width) < least_side)
    throw Error(Fault::recipe, "augment.policy needs pictures of at least {0}x{0} pixels, not {1}x{2}", least_side, height, width)
        .remedy("leave augment.policy empty");
}

at::Tensor diff_augment(const at::Tensor& x, const AugmentPolicy& policy, const RowUniforms& draw) {
  if (policy.is_empty()) return x;
  check_shape(policy, x.sizes());
  auto y = x;
  if (policy.color) y = color(y, draw(3, color_draw));
  if (policy.translation) y = translation(y, draw(2, translation_draw));
  if (policy.cutout) y = cutout(y, draw(2, cutout_draw));
  return y;
}

}  // namespace ganymede::gan
