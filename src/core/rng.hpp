// Counter-based random numbers: each is a pure function of (seed, purpose, index, step, place in the global batch, element),
// so nothing is ever saved, and every world size draws the same.
// Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3": Philox4x32-10.
// Counter words: (element / 4, place, step, purpose | index << 8); key words: low and high half of the seed.
#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

namespace ganymede {

/// The ids are part of the file formats' promise of repeatability: frozen, new ones go to the end.
enum class Purpose : uint32_t {
  init, z_d, z_g, noise_real, noise_fake, labels, gp_alpha, perturb, dropout, replay, shuffle, augment, eval, data
};

/// Names the stream of numbers of one step: which purpose, which layer or tensor of it, which step.
struct Draw {
  Purpose purpose;
  int64_t step = 0;
  int64_t index = 0;
};

class Rng {
 public:
  explicit Rng(uint64_t seed) : seed_(seed) {}
  uint64_t seed() const { return seed_; }

  /// Elements 4·block .. 4·block+3 of `place`, as raw 32-bit words.
  std::array<uint32_t, 4> words(const Draw& draw, int64_t place, int64_t block) const;

  /// N(0,1) for `rows` places from `first_place`, `elements` each: float64 [rows, elements] on the CPU, by Box–Muller.
  /// `first_element`, a multiple of 4, leaves out those before it.
  at::Tensor normal(const Draw& draw, int64_t first_place, int64_t rows, int64_t elements, int64_t first_element = 0) const;
  /// (x + ½)·2⁻³², in (0,1): float64 [rows, elements] on the CPU.
  at::Tensor uniform(const Draw& draw, int64_t first_place, int64_t rows, int64_t elements, int64_t first_element = 0) const;

  /// A permutation of 0..n−1 (Fisher–Yates from the end); counter words (i / 4, a, b, c).
  std::vector<int64_t> permutation(int64_t n, uint32_t a, uint32_t b, uint32_t c) const;
  static uint32_t last_word(const Draw& draw) {
    return static_cast<uint32_t>(draw.purpose) | static_cast<uint32_t>(draw.index) << 8;
  }

 private:
  uint64_t seed_;
};

}  // namespace ganymede
