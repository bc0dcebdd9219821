// The recipe's [augment]: what is done to everything that D sees. ADA's transforms come first, then the policy of DiffAugment, so that
// the holes of a cutout stay rectangles. Reals for features, FID and collapse indicators are never augmented.
// Draws: purpose augment, index base + j with the base of the pass and the augmentation's own j (gan/diff_augment.hpp: 0…2,
// gan/ada_transforms.hpp: 3…14), step = steps done by the network whose phase draws, place = g.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/rng.hpp"
#include "gan/ada.hpp"
#include "gan/diff_augment.hpp"
#include "gan/losses.hpp"
#include "nets/architectures.hpp"

namespace ganymede::gan {

struct AugmentConfig {
  std::string policy;  // "color,translation,cutout", any of them
  AdaConfig ada;
};
void describe(config::Fields& fields, AugmentConfig& c);
/// Throws Error(Fault::recipe) for an unknown policy, for samples that cannot be augmented, and for ADA with a critic: its values
/// have no sign that means "real".
void check(const AugmentConfig& config, const nets::SampleShape& shape, Loss loss);

/// Whose pictures, in which phase; the number is the first of its 16 draw indices.
enum class AugmentPass : int64_t { reals = 0, d_fakes = 16, g_fakes = 32, g_reals = 48 };

/// The numbers of `rows` places from `first_place`; of only some of these rows, in that order, where `chosen` lists them (a
/// micro-batch). `rng` must outlive what is returned.
RowUniforms augment_uniforms(const Rng& rng, AugmentPass pass, int64_t step, int64_t first_place, int64_t rows,
                             const at::Tensor& chosen = {});

/// Both augmentations, ADA's with probability p.
at::Tensor augment(const at::Tensor& x, const AugmentPolicy& policy, double p, const AdaMultipliers& multipliers, const RowUniforms& draw);

}  // namespace ganymede::gan
