#include "gan/ada_transforms.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/floor.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/remainder.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "core/error.hpp"

namespace ganymede::gan {
namespace {

constexpr double pi = std::numbers::pi;

enum Transform : int64_t {
  x_flip = 3, turns, integer_shifts, scale, rotation, stretch, shift, brightness, contrast, luma_flip, hue, saturation
};

/// The numbers of one sample for one transform: a block of the counter-based generator.
struct Numbers {
  std::array<double, 4> u;
  double normal(int i) const {  // 0 or 1, from elements 1 and 2
    const double radius = std::sqrt(-2.0 * std::log(u[1])), angle = 2.0 * pi * u[2];
    return radius * (i == 0 ? std::cos(angle) : std::sin(angle));
  }
  double angle(int element) const { return pi * (2.0 * u[element] - 1.0); }
};

/// The rows' numbers for one transform, fetched only if it can act.
class Draws {
 public:
  Draws(const RowUniforms& draw, Transform transform, double p, double multiplier) : probability_(std::min(1.0, p * multiplier)) {
    if (probability_ > 0) uniforms_ = draw(4, transform).contiguous();
  }
  double probability() const { return probability_; }
  Numbers row(int64_t b) const {
    if (!uniforms_.defined()) return {{1, 1, 1, 1}};  // decides against
    const double* const u = uniforms_.const_data_ptr<double>() + 4 * b;
    return {{u[0], u[1], u[2], u[3]}};
  }
  bool acts(const Numbers& n) const { return n.u[0] < probability_; }

 private:
  double probability_;
  at::Tensor uniforms_;
};

/// x' = xx·x + xy·y + x0 and y' = yx·x + yy·y + y0.
struct Affine {
  double xx = 1, xy = 0, x0 = 0;
  double yx = 0, yy = 1, y0 = 0;
};

/// First `second`, then `first`: transforms act on the picture in order, so places of the result go back through the last one first.
Affine after(const Affine& first, const Affine& second) {
  return {first.xx * second.xx + first.xy * second.yx, first.xx * second.xy + first.xy * second.yy,
          first.xx * second.x0 + first.xy * second.y0 + first.x0,
          first.yx * second.xx + first.yy * second.yx, first.yx * second.xy + first.yy * second.yy,
          first.yx * second.x0 + first.yy * second.y0 + first.y0};
}

// Each is the way back: from the changed picture to the one before it.
Affine turn(double cosine, double sine) { return {cosine, -sine, 0, sine, cosine, 0}; }
Affine turn(double angle) { return turn(std::cos(angle), std::sin(angle)); }
Affine grow(double columns, double rows) { return {1.0 / columns, 0, 0, 0, 1.0 / rows, 0}; }
Affine move(double columns, double rows) { return {1, 0, -columns, 0, 1, -rows}; }

/// 3x4: color' = M · color + m.
using Colors = std::array<std::array<double, 4>, 3>;
Colors times(double factor) { return {{{factor, 0, 0, 0}, {0, factor, 0, 0}, {0, 0, factor, 0}}}; }

Colors before(const Colors& first, const Colors& second) {
  Colors out{};
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 4; ++j) {
      for (int k = 0; k < 3; ++k) out[i][j] += second[i][k] * first[k][j];
      if (j == 3) out[i][j] += second[i][3];
    }
  return out;
}

Colors add(double value) {
  auto out = times(1);
  for (auto& row : out) row[3] = value;
  return out;
}

/// along · vvᵀ + across · (I − vvᵀ) with the luma axis v = (1,1,1)/√3.
Colors along_and_across(double along, double across) {
  Colors out{};
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) out[i][j] = (along - across) / 3.0 + (i == j ? across : 0.0);
  return out;
}

/// Rodrigues' rotation around the luma axis.
Colors turn_hue(double angle) {
  auto out = along_and_across(1.0, std::cos(angle));
  const double s = std::sin(angle) / std::sqrt(3.0);
  out[0][1] -= s, out[1][2] -= s, out[2][0] -= s;
  out[1][0] += s, out[2][1] += s, out[0][2] += s;
  return out;
}

/// Folds a coordinate at −½ and side−½ until it lies between the middles of the first and the last pixel.
at::Tensor reflect(const at::Tensor& place, int64_t side) {
  const auto once = at::remainder(place + 0.5, 2.0 * static_cast<double>(side));
  return at::clamp(at::minimum(once, 2.0 * static_cast<double>(side) - once) - 0.5, 0.0, static_cast<double>(side - 1));
}

}  // namespace

at::Tensor ada_places(int64_t rows, int64_t height, int64_t width, double p, const AdaMultipliers& m, const RowUniforms& draw) {
  const Draws flips(draw, x_flip, p, m.x_flip), quarter_turns(draw, turns, p, m.turns), jumps(draw, integer_shifts, p, m.integer_shifts);
  const Draws scales(draw, scale, p, m.scale), rotations(draw, rotation, p, m.rotation), stretches(draw, stretch, p, m.stretch);
  const Draws shifts(draw, shift, p, m.shift);
  const double one_of_two = 1.0 - std::sqrt(1.0 - rotations.probability());
  const auto w = static_cast<double>(width), h = static_cast<double>(height);
  auto out = at::empty({rows, 2, 3}, at::kDouble);
  double* to = out.data_ptr<double>();
  for (int64_t b = 0; b < rows; ++b, to += 6) {
    Affine back;
    if (const auto n = flips.row(b); flips.acts(n) && n.u[1] < 0.5) back = after(back, grow(-1, 1));
    if (const auto n = quarter_turns.row(b); quarter_turns.acts(n)) {
      // From a table: cos(π/2) is not 0 in floating point, and a turn by quarters should move pixels without mixing them.
      constexpr std::array<double, 4> cosine = {1, 0, -1, 0}, sine = {0, 1, 0, -1};
      const auto quarters = static_cast<size_t>(4.0 * n.u[1]);
      back = after(back, turn(cosine[quarters], sine[quarters]));
    }
    if (const auto n = jumps.row(b); jumps.acts(n)) {
      const auto jump = [](double u, double side) { return std::nearbyint((2.0 * u - 1.0) / 8.0 * side); };
      back = after(back, move(jump(n.u[2], w), jump(n.u[1], h)));
    }
    if (const auto n = scales.row(b); scales.acts(n)) {
      const double s = std::exp2(0.2 * n.normal(0));
      back = after(back, grow(s, s));
    }
    const auto angles = rotations.row(b);
    if (angles.u[0] < one_of_two) back = after(back, turn(angles.angle(1)));
    if (const auto n = stretches.row(b); stretches.acts(n)) {
      const double s = std::exp2(0.2 * n.normal(0));
      back = after(back, grow(s, 1.0 / s));
    }
    if (angles.u[2] < one_of_two) back = after(back, turn(angles.angle(3)));
    if (const auto n = shifts.row(b); shifts.acts(n)) back = after(back, move(0.125 * n.normal(1) * w, 0.125 * n.normal(0) * h));
    const double numbers[] = {back.xx, back.xy, back.x0, back.yx, back.yy, back.y0};
    std::copy(std::begin(numbers), std::end(numbers), to);
  }
  return out;
}

at::Tensor ada_colors(int64_t rows, int64_t channels, double p, const AdaMultipliers& m, const RowUniforms& draw) {
  const bool grey = channels == 1;
  const Draws lights(draw, brightness, p, m.brightness), contrasts(draw, contrast, p, m.contrast), flips(draw, luma_flip, p, m.luma_flip),
      hues(draw, hue, p, grey ? 0.0 : m.hue), saturations(draw, saturation, p, grey ? 0.0 : m.saturation);
  auto out = at::empty({rows, grey ? 1 : 3, grey ? 2 : 4}, at::kDouble);
  double* to = out.data_ptr<double>();
  for (int64_t b = 0; b < rows; ++b) {
    Colors map = times(1);
    if (const auto n = lights.row(b); lights.acts(n)) map = before(map, add(0.2 * n.normal(0)));
    if (const auto n = contrasts.row(b); contrasts.acts(n)) map = before(map, times(std::exp2(0.5 * n.normal(0))));
    if (const auto n = flips.row(b); flips.acts(n) && n.u[1] < 0.5) map = before(map, grey ? times(-1) : along_and_across(-1, 1));
    if (const auto n = hues.row(b); hues.acts(n)) map = before(map, turn_hue(n.angle(1)));
    if (const auto n = saturations.row(b); saturations.acts(n)) map = before(map, along_and_across(1, std::exp2(n.normal(0))));
    if (grey) *to++ = map[0][0], *to++ = map[0][3];  // what is left of the map treats all channels alike
    else for (const auto& row : map) to = std::copy(row.begin(), row.end(), to);
  }
  return out;
}

at::Tensor resample(const at::Tensor& x, const at::Tensor& places) {
  const int64_t height = x.size(2), width = x.size(3);
  // Places in float64 whatever x is: a place that is meant to hit a pixel hits it, and no rounding decides between neighbours.
  const auto wide = x.options().dtype(at::kDouble);
  const auto map = places.to(x.device()).unsqueeze(3).unsqueeze(4);  // [B,2,3,1,1]
  const double middle_row = 0.5 * static_cast<double>(height - 1), middle_column = 0.5 * static_cast<double>(width - 1);
  const auto row = (at::arange(height, wide) - middle_row).reshape({1, height, 1});
  const auto column = (at::arange(width, wide) - middle_column).reshape({1, 1, width});
  const auto at_axis = [&](int64_t axis, double middle, int64_t side) {
    const auto m = map.select(1, axis);
    return reflect(m.select(1, 0) * column + m.select(1, 1) * row + m.select(1, 2) + middle, side);
  };
  const auto from_column = at_axis(0, middle_column, width), from_row = at_axis(1, middle_row, height);  // [B,H,W]
  const auto left = at::floor(from_column), top = at::floor(from_row);
  const auto to_right = from_column - left, to_bottom = from_row - top;
  const auto l = left.to(at::kLong), t = top.to(at::kLong), r = at::clamp(l + 1, 0, width - 1), b = at::clamp(t + 1, 0, height - 1);
  const auto part = [&](const at::Tensor& rows, const at::Tensor& columns, const at::Tensor& weight) {
    return take_pixels(x, rows * width + columns) * weight.to(x.scalar_type()).unsqueeze(1);
  };
  const auto to_left = 1.0 - to_right, to_top = 1.0 - to_bottom;
  return part(t, l, to_top * to_left) + part(t, r, to_top * to_right) + part(b, l, to_bottom * to_left) + part(b, r, to_bottom * to_right);
}

at::Tensor recolor(const at::Tensor& x, const at::Tensor& colors) {
  if (x.size(1) == 1) return x * per_sample(colors.select(1, 0).select(1, 0), x) + per_sample(colors.select(1, 0).select(1, 1), x);
  const auto map = colors.to(x.device(), x.scalar_type());
  const auto planes = x.reshape({x.size(0), 3, x.size(2) * x.size(3)});
  return (at::bmm(map.slice(2, 0, 3), planes) + map.slice(2, 3, 4)).reshape(x.sizes()).contiguous(x.suggest_memory_format());
}

void check_shape(const AdaMultipliers& multipliers, at::IntArrayRef sizes) {
  if (sizes.size() != 4)
    throw Error(Fault::recipe, "augment.ada changes pictures, and a sample here is {}", sizes.size() == 2 ? "a point" : "none")
        .remedy("turn augment.ada off");
  if (multipliers.any_color() && sizes[1] != 1 && sizes[1] != 3)
    throw Error(Fault::recipe, "augment.ada changes colors of 1 or 3 channels, not of {}", sizes[1])
        .remedy("set augment.brightness, contrast, luma_flip, hue and saturation to 0");
}

at::Tensor ada_transform(const at::Tensor& x, double p, const AdaMultipliers& multipliers, const RowUniforms& draw) {
  check_shape(multipliers, x.sizes());
  if (p <= 0) return x;
  auto y = x;
  if (multipliers.any_geometry()) y = resample(y, ada_places(x.size(0), x.size(2), x.size(3), p, multipliers, draw));
  if (multipliers.any_color()) y = recolor(y, ada_colors(x.size(0), x.size(1), p, multipliers, draw));
  return y;
}

}  // namespace ganymede::gan
