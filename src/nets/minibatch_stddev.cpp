#include "nets/minibatch_stddev.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/error.hpp"
#include "nets/collectives.hpp"

namespace ganymede::nets {
namespace {

constexpr double epsilon = 1e-8;  // under the root, so that equal samples have a finite slope

// variance [G,C,…] of G groups -> [G,f]
at::Tensor averages(const at::Tensor& variance, int64_t maps) {
  const int64_t groups = variance.size(0), values = variance.numel() / std::max<int64_t>(1, groups);
  return at::sqrt(variance + epsilon).reshape({groups, maps, values / maps}).mean(2);
}

// The number of each row [B,f], B a multiple of the group.
at::Tensor by_group(const at::Tensor& x, int64_t group, int64_t maps) {
  auto sizes = x.sizes().vec();
  sizes[0] /= group, sizes.insert(sizes.begin() + 1, group);
  const auto members = x.reshape(sizes);
  const auto variance = (members - members.mean(1, /*keepdim=*/true)).square().mean(1);
  return averages(variance, maps).repeat_interleave(group, 0);
}

at::Tensor whole_batch(const at::Tensor& x, int64_t rows, int64_t maps, BatchStatistics* statistics) {
  const auto mean = gmean(x.sum(0), rows, statistics, "minibatch stddev means");
  const auto variance = gmean((x - mean).square().sum(0), rows, statistics, "minibatch stddev variances");
  return averages(variance.unsqueeze(0), maps).expand({x.size(0), maps});
}

// Rows of one rank that belong to a group which other ranks hold a part of: the first `head` and the last `tail`.
struct Cut {
  int64_t head = 0, tail = 0;
};

Cut cut_of(int64_t first, int64_t end, int64_t group) {
  const int64_t inner = std::min(end, (first + group - 1) / group * group);
  return {inner - first, end - std::max(inner, end / group * group)};
}

// Whole groups stay here; of the cut ones all ranks gather the rows, which in their order are whole groups again.
at::Tensor over_ranks(const at::Tensor& x, const RowRange& range, int64_t group, int64_t maps, BatchStatistics* statistics) {
  std::vector<int64_t> cut_starts{0};
  for (size_t r = 0; r + 1 < range.starts.size(); ++r) {
    const Cut cut = cut_of(range.starts[r], range.starts[r + 1], group);
    cut_starts.push_back(cut_starts.back() + cut.head + cut.tail);
  }
  if (cut_starts.back() == 0) return by_group(x, group, maps);
  const int rank = statistics->rank();
  const auto [head, tail] = cut_of(range.starts[rank], range.starts[rank + 1], group);
  const int64_t inner = x.size(0) - head - tail;
  const auto own = at::cat({x.narrow(0, 0, head), x.narrow(0, head + inner, tail)});
  const auto of_all = by_group(ggather(own, cut_starts, statistics, "minibatch stddev groups"), group, maps);
  const auto of_cut = of_all.narrow(0, cut_starts[rank], head + tail);
  return at::cat({of_cut.narrow(0, 0, head), by_group(x.narrow(0, head, inner), group, maps), of_cut.narrow(0, head, tail)});
}

}  // namespace

at::Tensor MinibatchStddev::numbers(const at::Tensor& x, const RowRange& range) const {
  auto* statistics = across_ranks(range, statistics_);
  const int64_t rows = global_rows(range), group = group_ == 1 ? rows : std::min(group_, rows);
  if (group == rows) return whole_batch(x, rows, maps_, statistics);
  if (range.source == Source::reference && rows % group != 0) {  // its size is nobody's choice: the last group is a smaller one
    const int64_t rest = rows % group;
    return at::cat({by_group(x.narrow(0, 0, rows - rest), group, maps_), by_group(x.narrow(0, rows - rest, rest), rest, maps_)});
  }
  if (rows % group != 0)
    throw Error(Fault::bug, "{} works on batches that are multiples of {}, and this one has {} samples", describe(), group, rows);
  return statistics ? over_ranks(x, range, group, maps_, statistics) : by_group(x, group, maps_);
}

at::Tensor MinibatchStddev::forward(const at::Tensor& x, const Pass& pass) {
  if (x.size(1) % maps_ != 0) throw Error(Fault::bug, "{} splits channels into {} parts, and there are {}", describe(), maps_, x.size(1));
  const auto wide = x.scalar_type() == at::kBFloat16 ? x.to(at::kFloat) : x;
  auto shape = x.sizes().vec();
  shape[1] = maps_;
  const auto found = for_each_range(wide, pass, [&](const at::Tensor& rows, const RowRange& range) { return numbers(rows, range); });
  const auto maps = found.reshape({x.size(0), maps_}).to(x.scalar_type());
  if (x.dim() == 2) return at::cat({x, maps}, 1);
  std::vector<int64_t> pixel(x.dim(), 1);
  pixel[0] = x.size(0), pixel[1] = maps_;
  return at::cat({x, maps.view(pixel).expand(shape).contiguous(x.suggest_memory_format())}, 1);
}

std::string MinibatchStddev::describe() const {
  return fmt::format("MinibatchStddev({}, {} maps)", group_ == 1 ? "whole batch" : fmt::format("group {}", group_), maps_);
}

}  // namespace ganymede::nets
