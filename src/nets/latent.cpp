#include "nets/latent.hpp"

#include "config/fields.hpp"
#include "nets/pixel_norm.hpp"

namespace ganymede::nets {

void describe(config::Fields& fields, LatentConfig& c) {
  fields.integer("size", c.size, "length Z of a latent").at_least(1).at_most(65536);
  fields.choice("prior", c.prior, {{"normal", Prior::normal}, {"uniform", Prior::uniform}}, "N(0,1) or U(-1,1)");
  fields.flag("normalize", c.normalize, "each latent scaled to a mean square of 1");
}

at::Tensor latents(const Rng& rng, const LatentConfig& config, const Draw& draw, int64_t first_place, int64_t rows, at::ScalarType type) {
  const auto z = config.prior == Prior::normal ? rng.normal(draw, first_place, rows, config.size)
                                               : rng.uniform(draw, first_place, rows, config.size).mul_(2.0).sub_(1.0);
  return (config.normalize ? pixel_normalized(z) : z).to(type);
}

}  // namespace ganymede::nets
