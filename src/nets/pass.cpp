#include "nets/pass.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>

#include "core/error.hpp"

namespace ganymede::nets {
namespace {

at::Tensor chosen_rows(const at::Tensor& all, const RowRange& range) { return range.chosen.defined() ? at::index_select(all, 0, range.chosen) : all; }

}  // namespace

at::Tensor uniform_rows(const Rng& rng, const Draw& draw, const RowRange& range, int64_t elements) {
  return chosen_rows(rng.uniform(draw, range.first_place, range.rank_rows, elements), range);
}

at::Tensor normal_rows(const Rng& rng, const Draw& draw, const RowRange& range, int64_t elements) {
  return chosen_rows(rng.normal(draw, range.first_place, range.rank_rows, elements), range);
}

at::Tensor for_each_range(const at::Tensor& x, const Pass& pass,
                          const std::function<at::Tensor(const at::Tensor&, const RowRange&)>& body) {
  if (pass.ranges.empty()) return body(x, RowRange{Source::d_real, x.size(0), 0, x.size(0), {}, {}});
  int64_t covered = 0;
  for (const auto& range : pass.ranges) covered += range.rows;
  if (covered != x.size(0)) throw Error(Fault::bug, "a pass of {} rows names the ranges of {}", x.size(0), covered);
  if (pass.ranges.size() == 1) return body(x, pass.ranges[0]);
  std::vector<at::Tensor> parts;
  int64_t first = 0;
  for (const auto& range : pass.ranges) {
    parts.push_back(body(x.narrow(0, first, range.rows), range));
    first += range.rows;
  }
  return at::cat(parts);
}

}  // namespace ganymede::nets
