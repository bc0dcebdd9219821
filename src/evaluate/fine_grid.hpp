// Total variation between samples and a planar mixture on cells of half a standard deviation: sees shape and place inside the modes,
// which total variation over modes does not. Few samples a cell give it a floor well above 0: 0.11 for 10,000 points of the ring
// of 8, 0.19 for the 5×5 grid, so the same figure for as many real samples belongs beside it.
#pragma once
#include <ATen/core/Tensor.h>

#include <optional>

#include "evaluate/mixture_modes.hpp"

namespace ganymede::evaluate {

/// The square [low, high]² that is cut into cells; everything else is one more cell.
struct GridBox {
  double low;
  double high;
};
constexpr GridBox ring_box{-3.0, 3.0};
constexpr GridBox grid_box{-5.5, 5.5};

/// The box of a mixture: the first of ring_box and grid_box that reaches 10 standard deviations beyond every centre and that the cells
/// fill, else the smallest square around the origin that does both. What lies beyond has no probability, so a wider box gives the same
/// figure. Nothing where there is no fine grid: not planar, unequal deviations, or more cells than fine_grid_tv takes.
std::optional<GridBox> fine_grid_box(const MixtureModel& mixture);

/// Exact mixture probabilities of the cells, row by row along the first coordinate, then that of outside: [cells² + 1] float64.
at::Tensor fine_grid_probabilities(const MixtureModel& mixture, const GridBox& box);

/// ½Σ|count/n − probability| over all cells and outside; points [n,2].
/// Throws Error(Fault::bad_data) unless the mixture is planar, its deviations are equal, and cells fill the box with at most 16 million.
double fine_grid_tv(const at::Tensor& points, const MixtureModel& mixture, const GridBox& box);

}  // namespace ganymede::evaluate
