#include "gan/augment.hpp"

#include <ATen/ops/index_select.h>

#include "config/fields.hpp"
#include "core/error.hpp"

namespace ganymede::gan {

void describe(config::Fields& fields, AugmentConfig& c) {
  fields.text("policy", c.policy, "DiffAugment: what everything that D sees goes through, of color,translation,cutout");
  describe(fields, c.ada);
}

void check(const AugmentConfig& config, const nets::SampleShape& shape, Loss loss) {
  const auto policy = parse_policy(config.policy);
  const auto batch = shape.is_points ? std::vector<int64_t>{1, shape.features}
                                     : std::vector<int64_t>{1, shape.channels, shape.height, shape.width};
  check_shape(policy, batch);
  if (!config.ada.on) return;
  if (loss == Loss::wasserstein)
    throw Error(Fault::recipe, "augment.ada = true goes with a loss whose outputs have a sign, not with objective.loss = \"wasserstein\"")
        .remedy("turn augment.ada off, or use augment.policy");
  check_shape(config.ada.multipliers, batch);
}

RowUniforms augment_uniforms(const Rng& rng, AugmentPass pass, int64_t step, int64_t first_place, int64_t rows,
                             const at::Tensor& chosen) {
  return [&rng, pass, step, first_place, rows, chosen](int64_t elements, int64_t j) {
    const auto all = rng.uniform(Draw{Purpose::augment, step, static_cast<int64_t>(pass) + j}, first_place, rows, elements);
    return chosen.defined() ? all.index_select(0, chosen) : all;
  };
}

at::Tensor augment(const at::Tensor& x, const AugmentPolicy& policy, double p, const AdaMultipliers& multipliers, const RowUniforms& draw) {
  return diff_augment(p > 0 ? ada_transform(x, p, multipliers, draw) : x, policy, draw);
}

}  // namespace ganymede::gan
