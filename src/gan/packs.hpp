// Packing: D judges m consecutive samples of one source together, their channels (or features) side by side.
// Lin et al. 2018, "PacGAN: The power of two samples in generative adversarial networks", section 2.
#pragma once
#include <memory>

#include "gan/scene.hpp"

namespace ganymede::gan {

std::unique_ptr<Filter> make_packs(int64_t samples);

}  // namespace ganymede::gan
