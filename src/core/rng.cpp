#include "core/rng.hpp"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <Random123/philox.h>

#include <cmath>
#include <numbers>
#include <numeric>

#include "core/error.hpp"

namespace ganymede {
namespace {

using Words = std::array<uint32_t, 4>;

Words philox(uint64_t seed, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  const r123::Philox4x32 generator;
  const r123::Philox4x32::ctr_type counter = {{a, b, c, d}};
  const r123::Philox4x32::key_type key = {{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)}};
  const auto out = generator(counter, key);
  return {out[0], out[1], out[2], out[3]};
}

double unit(uint32_t word) { return (word + 0.5) * 0x1p-32; }

// Fills [rows, elements], four elements a block; the last block of a row may be cut short.
template <typename FromWords>
at::Tensor fill(const Rng& rng, const Draw& draw, int64_t first_place, int64_t rows, int64_t elements, int64_t first_element, FromWords from_words) {
  if (first_element % 4 != 0) throw Error(Fault::bug, "random numbers begin at element {}, which is not the first of its block", first_element);
  auto out = at::empty({rows, elements}, at::kDouble);
  double* const values = out.data_ptr<double>();
  const int64_t blocks = (elements + 3) / 4;
  at::parallel_for(0, rows * blocks, 1024, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / blocks, block = i % blocks;
      const std::array<double, 4> four = from_words(rng.words(draw, first_place + row, first_element / 4 + block));
      const int64_t left = std::min<int64_t>(4, elements - 4 * block);
      std::copy_n(four.begin(), left, values + row * elements + 4 * block);
    }
  });
  return out;
}

}  // namespace

Words Rng::words(const Draw& draw, int64_t place, int64_t block) const {
  if (place >> 32 || draw.step >> 32 || block >> 32 || draw.index >> 24)
    throw Error(Fault::bug, "a random number's counter does not fit: step {}, place {}, block {}, index {}", draw.step, place, block, draw.index);
  return philox(seed_, static_cast<uint32_t>(block), static_cast<uint32_t>(place), static_cast<uint32_t>(draw.step), last_word(draw));
}

at::Tensor Rng::normal(const Draw& draw, int64_t first_place, int64_t rows, int64_t elements, int64_t first_element) const {
  return fill(*this, draw, first_place, rows, elements, first_element, [](const Words& x) -> std::array<double, 4> {
    const double r0 = std::sqrt(-2.0 * std::log(unit(x[0]))), r1 = std::sqrt(-2.0 * std::log(unit(x[2])));
    const double a0 = 2.0 * std::numbers::pi * unit(x[1]), a1 = 2.0 * std::numbers::pi * unit(x[3]);
    return {r0 * std::cos(a0), r0 * std::sin(a0), r1 * std::cos(a1), r1 * std::sin(a1)};
  });
}

at::Tensor Rng::uniform(const Draw& draw, int64_t first_place, int64_t rows, int64_t elements, int64_t first_element) const {
  return fill(*this, draw, first_place, rows, elements, first_element, [](const Words& x) -> std::array<double, 4> {
    return {unit(x[0]), unit(x[1]), unit(x[2]), unit(x[3])};
  });
}

std::vector<int64_t> Rng::permutation(int64_t n, uint32_t a, uint32_t b, uint32_t c) const {
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  Words words{};
  int64_t have = -1;  // the block that `words` holds
  for (int64_t i = n - 1; i >= 1; --i) {
    if (i / 4 != have) {
      have = i / 4;
      words = philox(seed_, static_cast<uint32_t>(have), a, b, c);
    }
    const uint64_t j = (static_cast<uint64_t>(words[i % 4]) * static_cast<uint64_t>(i + 1)) >> 32;
    std::swap(order[i], order[j]);
  }
  return order;
}

}  // namespace ganymede
