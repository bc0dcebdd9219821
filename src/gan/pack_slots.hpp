// Packs whose members come from passes of G of their own: slot j holds the places g with g mod m = j, so batch norm in G takes its
// statistics over one slot, as in PacGAN's published program (Lin et al. 2018, "PacGAN: The power of two samples in generative adversarial
// networks"). Its buffers take one update a step, the average of the slots'.
#pragma once
#include "gan/scene.hpp"

namespace ganymede::gan {

/// Places of slot `slot` before place `end`.
int64_t slot_places_before(int64_t end, int64_t slot, int64_t slots);

/// input [B,Z], labels int64 [B] or undefined: this rank's rows -> G's samples of them in the order of the rows. Collective.
at::Tensor forward_by_slots(nets::Network& generator, const at::Tensor& input, const at::Tensor& labels, const Share& share, nets::Source source, int64_t slots);

}  // namespace ganymede::gan
