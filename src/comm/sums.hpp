// Sums over ranks in rank order: ((x_0 + x_1) + x_2) + …, so that the bits depend on nothing but the values.
#pragma once
#include <c10/core/ScalarType.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace ganymede::comm {

/// Whether sum_in_rank_order knows the type: float32, float64, int64, bfloat16.
bool can_sum(at::ScalarType type);

/// out[i] = the sum over r of sources[r][i], i < elements. bfloat16 is summed in float32 and rounded once. `out` may be one of
/// the sources. Throws Error(Fault::bug) for another type.
void sum_in_rank_order(at::ScalarType type, std::byte* out, std::span<const std::byte* const> sources, int64_t elements);

}  // namespace ganymede::comm
