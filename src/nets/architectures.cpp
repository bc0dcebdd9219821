#include "nets/architectures.hpp"

#include "core/error.hpp"
#include "nets/dcgan.hpp"
#include "nets/mlp.hpp"
#include "nets/stacked_digits.hpp"

namespace ganymede::nets {
namespace {

void check_classes(const Conditioning& conditioning) {
  if (conditioning.kind != ConditionalKind::none && conditioning.classes < 2)
    throw Error(Fault::recipe, "conditional.kind asks for classes, and the data set has {}", conditioning.classes)
        .remedy("use a data set with labels of two classes or more, or leave out [conditional]");
}

}  // namespace

std::shared_ptr<Network> make_generator(const GeneratorConfig& config, const LatentConfig& latent, const SampleShape& shape,
                                        const Conditioning& conditioning) {
  check_shape(config, shape);
  check_classes(conditioning);
  auto g = std::make_shared<Network>("generator");
  const int64_t in = latent.size + conditioning.latent_extra();
  switch (config.kind) {
    case Kind::dcgan: dcgan_generator(*g, config, in, shape, conditioning); break;
    case Kind::mlp: mlp_generator(*g, config, in, shape, conditioning); break;
    default: stacked_digits_generator(*g, config, in, shape, conditioning);
  }
  return g;
}

std::shared_ptr<Network> make_discriminator(const DiscriminatorConfig& config, const SampleShape& shape, const Conditioning& conditioning,
                                            int64_t joined) {
  check_shape(config, shape);
  check_classes(conditioning);
  auto d = std::make_shared<Network>("discriminator");
  const int64_t in = joined * ((shape.is_points ? shape.features : shape.channels) + conditioning.planes());
  switch (config.kind) {
    case Kind::dcgan: dcgan_discriminator(*d, config, in, shape, conditioning); break;
    case Kind::mlp: mlp_discriminator(*d, config, in, conditioning); break;
    default: stacked_digits_discriminator(*d, config, in, conditioning);
  }
  return d;
}

}  // namespace ganymede::nets
