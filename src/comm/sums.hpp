// Sums over ranks in a fixed binary tree: neighbours first, then neighbouring pairs, … (for 5: ((x_0+x_1)+(x_2+x_3))+x_4), so that
// the bits depend on nothing but the values. Aligned groups of 2^k ranks are subtrees: whoever sums those first gets the same bits.
#pragma once
#include <c10/core/ScalarType.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace ganymede::comm {

/// Whether sum_in_tree knows the type: float32, float64, int64, bfloat16.
bool can_sum(at::ScalarType type);

/// out[i] = the sum over r of sources[r][i], i < elements, for at most 2^12 ranks. bfloat16 is summed in float32 and rounded once. `out` may be one of
/// the sources. Throws Error(Fault::bug) for another type.
void sum_in_tree(at::ScalarType type, std::byte* out, std::span<const std::byte* const> sources, int64_t elements);

}  // namespace ganymede::comm
