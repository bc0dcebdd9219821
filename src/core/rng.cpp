#include "core/rng.hpp"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <Random123/philox.h>

#include <algorithm>
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

constexpr int64_t grain = 1024;  // blocks that are worth a thread

void check_start(int64_t first_element) {
  if (first_element % 4 != 0) throw Error(Fault::bug, "random numbers begin at element {}, which is not the first of its block", first_element);
}

}  // namespace

Words Rng::words(const Draw& draw, int64_t place, int64_t block) const {
  if (place >> 32 || draw.step >> 32 || block >> 32 || draw.index >> 24)
    throw Error(Fault::bug, "a random number's counter does not fit: step {}, place {}, block {}, index {}", draw.step, place, block, draw.index);
  return philox(seed_, static_cast<uint32_t>(block), static_cast<uint32_t>(place), static_cast<uint32_t>(draw.step), last_word(draw));
}

// Roots, logarithms and angles over whole tensors: LibTorch computes several at once.
at::Tensor Rng::normal(const Draw& draw, int64_t first_place, int64_t rows, int64_t elements, int64_t first_element) const {
  check_start(first_element);
  const int64_t blocks = (elements + 3) / 4;
  auto radius = at::empty({2 * rows * blocks}, at::kDouble), angle = at::empty_like(radius), out = at::empty({rows, elements}, at::kDouble);
  double *const r = radius.data_ptr<double>(), *const a = angle.data_ptr<double>(), *const to = out.data_ptr<double>();
  at::parallel_for(0, rows * blocks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Words x = words(draw, first_place + i / blocks, first_element / 4 + i % blocks);
      r[2 * i] = unit(x[0]), r[2 * i + 1] = unit(x[2]);
      a[2 * i] = 2.0 * std::numbers::pi * unit(x[1]), a[2 * i + 1] = 2.0 * std::numbers::pi * unit(x[3]);
    }
  });
  radius.log_().mul_(-2.0).sqrt_();
  const auto sine = angle.sin();
  angle.cos_();
  const double* const s = sine.const_data_ptr<double>();
  at::parallel_for(0, rows * blocks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double four[] = {r[2 * i] * a[2 * i], r[2 * i] * s[2 * i], r[2 * i + 1] * a[2 * i + 1], r[2 * i + 1] * s[2 * i + 1]};
      const int64_t row = i / blocks, block = i % blocks;
      std::copy_n(four, std::min<int64_t>(4, elements - 4 * block), to + row * elements + 4 * block);
    }
  });
  return out;
}

at::Tensor Rng::uniform(const Draw& draw, int64_t first_place, int64_t rows, int64_t elements, int64_t first_element) const {
  check_start(first_element);
  const int64_t blocks = (elements + 3) / 4;
  auto out = at::empty({rows, elements}, at::kDouble);
  double* const to = out.data_ptr<double>();
  at::parallel_for(0, rows * blocks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / blocks, block = i % blocks;
      const Words x = words(draw, first_place + row, first_element / 4 + block);
      for (int64_t e = 0; e < std::min<int64_t>(4, elements - 4 * block); ++e) to[row * elements + 4 * block + e] = unit(x[e]);
    }
  });
  return out;
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
