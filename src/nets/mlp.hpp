// The fully connected architecture, for points: `depth` hidden layers of `width` units, a plain linear output. Weights and biases
// start as PyTorch's Linear does, unless `init` says otherwise.
#pragma once
#include "nets/network.hpp"
#include "nets/network_config.hpp"

namespace ganymede::nets {

/// in: length of what the network is given: latent and class, or joined points with their classes.
void mlp_generator(Network& g, const GeneratorConfig& c, int64_t in, const SampleShape& shape, const Conditioning& conditioning);
void mlp_discriminator(Network& d, const DiscriminatorConfig& c, int64_t in, const Conditioning& conditioning);

}  // namespace ganymede::nets
