#include "evaluate/fine_grid.hpp"

#include <ATen/ops/arange.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/erf.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/where.h>

#include <cmath>
#include <numbers>

#include "core/error.hpp"

namespace ganymede::evaluate {
namespace {

constexpr int64_t most_cells_a_side = 4096;

struct Cells {
  double width;
  int64_t a_side;
};

Cells cells_of(const MixtureModel& mixture, const GridBox& box) {
  check(mixture);
  if (mixture.centres.size(1) != 2)
    throw Error(Fault::bad_data, "the fine grid is planar, but the mixture has {} coordinates", mixture.centres.size(1));
  const double sd = mixture.sd[0].item<double>();
  if (!(mixture.sd == sd).all().item<bool>())
    throw Error(Fault::bad_data, "the fine grid's cells need one standard deviation for all modes");
  const double width = sd / 2.0, exact = (box.high - box.low) / width;
  const auto a_side = std::llround(exact);
  if (a_side < 1 || a_side > most_cells_a_side || std::abs(exact - static_cast<double>(a_side)) > 1e-6)
    throw Error(Fault::bad_data, "cells of width {} do not fill the box from {} to {} with 1 to {} a side", width, box.low, box.high,
                most_cells_a_side);
  return {width, a_side};
}

// Probability of each component between neighbouring edges along one axis: [K, cells].
at::Tensor along_axis(const MixtureModel& mixture, int64_t axis, const GridBox& box, const Cells& cells) {
  const auto edges = at::arange(cells.a_side + 1, mixture.centres.options()) * cells.width + box.low;
  const auto standard = (edges - mixture.centres.select(1, axis).unsqueeze(1)) / mixture.sd.unsqueeze(1);
  return at::erf(standard / std::numbers::sqrt2).diff(1, 1) / 2.0;
}

bool is_filled(const GridBox& box, double width) {
  const double exact = (box.high - box.low) / width;
  return std::round(exact) <= static_cast<double>(most_cells_a_side) && std::abs(exact - std::round(exact)) <= 1e-6;
}

}  // namespace

std::optional<GridBox> fine_grid_box(const MixtureModel& mixture) {
  check(mixture);
  const double sd = mixture.sd[0].item<double>(), width = sd / 2.0;
  if (mixture.centres.size(1) != 2 || !(mixture.sd == sd).all().item<bool>()) return std::nullopt;
  const double reach = mixture.centres.abs().max().item<double>() + 10.0 * sd, rounding = 1e-9 * reach;
  for (const auto& box : {ring_box, grid_box})
    if (box.high >= reach - rounding && is_filled(box, width)) return box;
  const double half = std::ceil((reach - rounding) / width) * width;
  const GridBox own{-half, half};
  return is_filled(own, width) ? std::optional(own) : std::nullopt;
}

at::Tensor fine_grid_probabilities(const MixtureModel& mixture, const GridBox& box) {
  const auto cells = cells_of(mixture, box);
  const auto first = along_axis(mixture, 0, box, cells) * mixture.weights.unsqueeze(1), second = along_axis(mixture, 1, box, cells);
  const auto inside = at::matmul(first.t(), second).flatten();
  return at::cat({inside, 1.0 - inside.sum(0, true)});
}

double fine_grid_tv(const at::Tensor& points, const MixtureModel& mixture, const GridBox& box) {
  const auto cells = cells_of(mixture, box);
  const auto place = ((points.to(at::kCPU, at::kDouble) - box.low) / cells.width).floor();
  const auto is_inside = (place >= 0).logical_and_(place < static_cast<double>(cells.a_side)).all(1);  // NaN is outside
  const auto whole = at::where(is_inside.unsqueeze(1), place, 0.0).to(at::kLong);
  const auto outside = cells.a_side * cells.a_side;
  const auto cell = at::where(is_inside, whole.select(1, 0) * cells.a_side + whole.select(1, 1), outside);
  const auto share = at::bincount(cell, {}, outside + 1).to(at::kDouble) / static_cast<double>(points.size(0));
  return 0.5 * (share - fine_grid_probabilities(mixture, box)).abs().sum().item<double>();
}

}  // namespace ganymede::evaluate
