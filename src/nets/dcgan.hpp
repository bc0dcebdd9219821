// The convolutional architecture: widths double where sides halve.
#pragma once
#include "nets/network.hpp"
#include "nets/network_config.hpp"

namespace ganymede::nets {

/// in: length of what G is given, class included.
void dcgan_generator(Network& g, const GeneratorConfig& c, int64_t in, const SampleShape& shape, const Conditioning& conditioning);
/// in: channels of what D is given, planes and joined samples included.
void dcgan_discriminator(Network& d, const DiscriminatorConfig& c, int64_t in, const SampleShape& shape, const Conditioning& conditioning);

}  // namespace ganymede::nets
