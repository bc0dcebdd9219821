// What a generator starts from: Z independent numbers a sample.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "core/rng.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::nets {

enum class Prior { normal, uniform };

struct LatentConfig {
  int64_t size = 100;  // Z
  Prior prior = Prior::normal;
  bool normalize = false;  // to a mean square of 1 (pixel_norm.hpp)
};
void describe(config::Fields& fields, LatentConfig& c);

/// Latents for `rows` places of the global batch from `first_place`: [rows, Z] in `type`, rounded once.
at::Tensor latents(const Rng& rng, const LatentConfig& config, const Draw& draw, int64_t first_place, int64_t rows, at::ScalarType type);

}  // namespace ganymede::nets
