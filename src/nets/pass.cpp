#include "nets/pass.hpp"

#include <ATen/ops/index_select.h>

namespace ganymede::nets {
namespace {

at::Tensor chosen_rows(const at::Tensor& all, const RowRange& range) { return range.chosen.defined() ? at::index_select(all, 0, range.chosen) : all; }

}  // namespace

at::Tensor uniform_rows(const Pass& pass, const RowRange& range, Purpose purpose, int64_t index, int64_t elements) {
  return chosen_rows(pass.rng->uniform(Draw{purpose, pass.step, index}, range.first_place, range.rank_rows, elements), range);
}

at::Tensor normal_rows(const Pass& pass, const RowRange& range, Purpose purpose, int64_t index, int64_t elements) {
  return chosen_rows(pass.rng->normal(Draw{purpose, pass.step, index}, range.first_place, range.rank_rows, elements), range);
}

}  // namespace ganymede::nets
