// The generators and discriminators that a recipe can name.
// "dcgan": Radford et al. 2016, "Unsupervised Representation Learning with DCGANs", in the layout of PyTorch's example, for
//   28 (the MNIST preset), 32, 64 and 128 pixels (dcgan.cpp). "mlp": fully connected, for points (mlp.cpp). "dcgan5x5", "crippled":
//   published ones for stacked digits (stacked_digits.cpp).
// The number of a layer is its name in files; a key at its default adds no layer, so the numbers of plain networks never change.
#pragma once
#include <memory>

#include "nets/latent.hpp"
#include "nets/network.hpp"
#include "nets/network_config.hpp"

namespace ganymede::nets {

/// Latents [B, Z + K] (K classes as one-hot numbers behind the latent, where `conditioning` names any) -> samples.
/// Throw Error(Fault::recipe) where the network cannot make or read samples of this shape, or there are fewer than two classes.
std::shared_ptr<Network> make_generator(const GeneratorConfig& config, const LatentConfig& latent, const SampleShape& shape,
                                        const Conditioning& conditioning = {});
/// Samples [B, joined·(C + K), H, W] or [B, joined·(F + K)] -> logits [B]; with a classifier [B, 1 + K], the logit in column 0.
/// K planes only where conditioning.kind = planes. joined: samples that D judges together, laid end to end on the channels.
std::shared_ptr<Network> make_discriminator(const DiscriminatorConfig& config, const SampleShape& shape,
                                            const Conditioning& conditioning = {}, int64_t joined = 1);

}  // namespace ganymede::nets
