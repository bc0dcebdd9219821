// Limits D's step: clips its reduced gradient, all parameters seen as one vector g, to length c, g ← g·min(1, c/(‖g‖ + 1e-6)), or
// each element to [−c, c]. On the sum over ranks, never on a rank's own part. Pascanu et al. 2013, "On the difficulty of training
// recurrent neural networks", algorithm 1, in PyTorch's form.
#pragma once
#include <memory>

#include "gan/terms.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::gan {

struct GradientClipConfig {
  double norm = 0.0, value = 0.0;  // 0 = off; one of them
};
void describe(config::Fields& fields, GradientClipConfig& c);

std::unique_ptr<UpdateHook> make_gradient_clip(const GradientClipConfig& config);

}  // namespace ganymede::gan
