#include "report/scatter.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace ganymede::report {
namespace {

constexpr uint8_t paper = 255, axis = 220, ink = 0;
constexpr double room = 1.25;  // the box is at least this much larger than the points

at::Tensor plain(const at::Tensor& points) {
  if (points.dim() != 2 || points.size(1) < 1) throw Error(Fault::bug, "points are [n,F], not {} dimensions", points.dim());
  return points.detach().to(at::kCPU, at::kDouble).contiguous();
}

int64_t pixel(double place) {  // place: -1 … 1 in the box
  const double at = std::floor((place + 1) / 2 * scatter_side);
  return static_cast<int64_t>(std::clamp(at, 0.0, static_cast<double>(scatter_side - 1)));
}

}  // namespace

double box_for(const at::Tensor& points) {
  const auto all = plain(points);
  double largest = 0;
  const double* at = all.const_data_ptr<double>();
  for (int64_t i = 0; i < all.numel(); ++i)
    if (std::isfinite(at[i])) largest = std::max(largest, std::abs(at[i]));
  if (largest == 0) return 1;
  const double wanted = largest * room;
  const double power = std::pow(10, std::floor(std::log10(wanted)));
  for (const double step : {1.0, 1.5, 2.0, 3.0, 5.0, 7.0})
    if (step * power >= wanted) return step * power;
  return 10 * power;
}

at::Tensor scatter(const at::Tensor& points, double half_side) {
  const auto all = plain(points);
  auto picture = at::full({scatter_side, scatter_side, 1}, static_cast<int64_t>(paper), at::kByte);
  auto* const pixels = picture.mutable_data_ptr<uint8_t>();
  for (int64_t i = 0; i < scatter_side; ++i)
    pixels[i * scatter_side + scatter_side / 2] = pixels[scatter_side / 2 * scatter_side + i] = axis;
  const int64_t features = all.size(1);
  const double* at = all.const_data_ptr<double>();
  for (int64_t i = 0; i < all.size(0); ++i) {
    const double x = at[i * features] / half_side, y = features > 1 ? at[i * features + 1] / half_side : 0;
    if (std::isnan(x) || std::isnan(y)) continue;
    const int64_t column = pixel(x), row = pixel(-y);
    for (int64_t r = std::max<int64_t>(row - 1, 0); r <= std::min(row + 1, scatter_side - 1); ++r)
      for (int64_t c = std::max<int64_t>(column - 1, 0); c <= std::min(column + 1, scatter_side - 1); ++c) pixels[r * scatter_side + c] = ink;
  }
  return picture;
}

}  // namespace ganymede::report
