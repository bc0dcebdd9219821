#include "nets/packing.hpp"

#include <ATen/ATen.h>

#include "core/error.hpp"
#include "nets/collectives.hpp"

namespace ganymede::nets {
namespace {

int64_t rounded_up(int64_t value, int64_t m) { return (value + m - 1) / m * m; }

void check(int64_t rows, int64_t m) {
  if (m < 1 || rows % m != 0) throw Error(Fault::bug, "a batch of {} samples does not divide into packs of {}", rows, m);
}

// This rank's rows from its first pack on, and those of later ranks that its last pack needs. What may be needed of a rank are its
// first rows, up to where a pack begins.
at::Tensor whole_packs(const at::Tensor& x, int64_t m, const std::vector<int64_t>& starts, BatchStatistics* statistics) {
  std::vector<int64_t> head_starts{0};
  for (size_t r = 0; r + 1 < starts.size(); ++r)
    head_starts.push_back(head_starts.back() + std::min(starts[r + 1], rounded_up(starts[r], m)) - starts[r]);
  if (head_starts.back() == 0) return x;
  const int rank = statistics->rank();
  const int64_t end = starts[rank + 1], head = head_starts[rank + 1] - head_starts[rank], own = x.size(0) - head;
  const auto heads = ggather(x.narrow(0, 0, head), head_starts, statistics, "rows of packs");
  const int64_t missing = own > 0 ? rounded_up(end, m) - end : 0;
  return at::cat({x.narrow(0, head, own), heads.narrow(0, head_starts[rank + 1], missing)});  // none as well: see collectives.hpp
}

}  // namespace

std::vector<int64_t> pack_starts(const std::vector<int64_t>& starts, int64_t m) {
  if (starts.empty()) return {};
  check(starts.back(), m);
  std::vector<int64_t> packs;
  for (const int64_t start : starts) packs.push_back(rounded_up(start, m) / m);
  return packs;
}

at::Tensor pack(const at::Tensor& x, int64_t m, const std::vector<int64_t>& starts, BatchStatistics* statistics) {
  if (m == 1) return x;
  check(starts.empty() ? x.size(0) : starts.back(), m);
  if (starts.size() > 2 && !statistics) throw Error(Fault::bug, "packs of {} ranks, and no way to reach them", starts.size() - 1);
  const auto rows = starts.size() > 2 ? whole_packs(x, m, starts, statistics) : x;
  auto sizes = rows.sizes().vec();
  sizes[0] /= m, sizes[1] *= m;
  return rows.reshape(sizes).contiguous(x.suggest_memory_format());
}

}  // namespace ganymede::nets
