// The fixed reference batches of networks with virtual batch norm: for D the first rows that it is shown as reals, for G the first
// latents of its first step. Salimans et al. 2016, "Improved Techniques for Training GANs", section 3.5.
#pragma once
#include <memory>

#include "gan/game.hpp"

namespace ganymede::gan {

/// Makes room in each network with virtual batch norm for min(N, 64) rows of its input. Before any weight is drawn.
void reserve_references(nets::Network& generator, nets::Network& discriminator, nets::Network& average, const nets::LatentConfig& latent,
                        const nets::Conditioning& conditioning, int64_t joined, const nets::SampleShape& shape, int64_t global_batch);
/// Fills D's reference when the first reals come by: the rows of the global batch from place 0 on, gathered from their ranks.
std::unique_ptr<Filter> make_reference_collector();
/// No effect on a network without virtual batch norm.
void set_generator_reference(nets::Network& generator, const GameSetup& setup, const ClassPolicy& classes, const Rng& rng);

}  // namespace ganymede::gan
