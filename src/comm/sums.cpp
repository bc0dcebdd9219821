#include "comm/sums.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/error.hpp"

// One version per instruction set, chosen when the program is loaded. A sanitizer's run-time is not ready that early.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define GANYMEDE_PER_CPU __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define GANYMEDE_PER_CPU
#endif

namespace ganymede::comm {
namespace {

constexpr int64_t block_elements = 512;  // the running sums of a block stay in the first two levels of cache
constexpr int most_levels = 13;

struct Plain {
  template <typename T>
  static T load(T x) {
    return x;
  }
  template <typename T>
  static T store(T x) {
    return x;
  }
};

struct Bfloat16 {
  static float load(uint16_t x) { return std::bit_cast<float>(static_cast<uint32_t>(x) << 16); }
  /// To nearest, ties to even; any NaN becomes the quiet one, as in LibTorch.
  static uint16_t store(float x) {
    const auto bits = std::bit_cast<uint32_t>(x);
    const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded);
  }
};

template <typename Stored, typename Form, typename Sum>
[[gnu::always_inline]] inline void load_block(const std::byte* source, int64_t begin, int64_t n, Sum* to) {
  const auto* from = reinterpret_cast<const Stored*>(source) + begin;
  for (int64_t i = 0; i < n; ++i) to[i] = Form::load(from[i]);
}

// Sums of 2^level neighbours wait in levels[level] for their like, as the digits of a binary counter.
template <typename Stored, typename Sum, typename Form>
[[gnu::always_inline]] inline void sum_blocks(std::byte* out, const std::byte* const* sources, int64_t ranks, int64_t elements) {
  Sum levels[most_levels][block_elements], sum[block_elements];
  for (int64_t begin = 0; begin < elements; begin += block_elements) {
    const int64_t n = std::min(block_elements, elements - begin);
    const auto join = [&](const Sum* left) {
      for (int64_t i = 0; i < n; ++i) sum[i] = left[i] + sum[i];
    };
    for (int64_t r = 0; r < ranks; ++r) {
      load_block<Stored, Form>(sources[r], begin, n, sum);
      int level = 0;
      for (; (r >> level) & 1; ++level) join(levels[level]);
      if (r + 1 < ranks) {
        std::copy_n(sum, n, levels[level]);
        continue;
      }
      for (++level; level < most_levels; ++level)  // what still waits when the last one has come
        if ((r >> level) & 1) join(levels[level]);
    }
    auto* to = reinterpret_cast<Stored*>(out) + begin;
    for (int64_t i = 0; i < n; ++i) to[i] = Form::store(sum[i]);
  }
}

GANYMEDE_PER_CPU void sum_float32(std::byte* out, const std::byte* const* sources, int64_t ranks, int64_t elements) {
  sum_blocks<float, float, Plain>(out, sources, ranks, elements);
}
GANYMEDE_PER_CPU void sum_float64(std::byte* out, const std::byte* const* sources, int64_t ranks, int64_t elements) {
  sum_blocks<double, double, Plain>(out, sources, ranks, elements);
}
GANYMEDE_PER_CPU void sum_int64(std::byte* out, const std::byte* const* sources, int64_t ranks, int64_t elements) {
  sum_blocks<uint64_t, uint64_t, Plain>(out, sources, ranks, elements);  // unsigned: an overflow wraps
}
GANYMEDE_PER_CPU void sum_bfloat16(std::byte* out, const std::byte* const* sources, int64_t ranks, int64_t elements) {
  sum_blocks<uint16_t, float, Bfloat16>(out, sources, ranks, elements);
}

}  // namespace

bool can_sum(at::ScalarType type) {
  return type == at::kFloat || type == at::kDouble || type == at::kLong || type == at::kBFloat16;
}

void sum_in_tree(at::ScalarType type, std::byte* out, std::span<const std::byte* const> sources, int64_t elements) {
  const auto ranks = static_cast<int64_t>(sources.size());
  switch (type) {
    case at::kFloat: return sum_float32(out, sources.data(), ranks, elements);
    case at::kDouble: return sum_float64(out, sources.data(), ranks, elements);
    case at::kLong: return sum_int64(out, sources.data(), ranks, elements);
    case at::kBFloat16: return sum_bfloat16(out, sources.data(), ranks, elements);
    default: throw Error(Fault::bug, "no sum over ranks for tensors of type {}", at::toString(type));
  }
}

}  // namespace ganymede::comm
