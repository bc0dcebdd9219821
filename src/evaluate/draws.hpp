// Which index of the purpose `eval` each measure draws from, so that no two share their numbers.
#pragma once
#include <cstdint>

namespace ganymede::evaluate {

enum EvalIndex : int64_t {
  latents = 0,        // z of the samples to be judged
  held_out = 1,       // reals computed from a formula (data/held_out.hpp)
  interpolation = 5,  // alpha between a real and a fake, for the input gradients
  kmeans = 2,         // place j = the j-th centroid's draw
  directions = 3,     // place j = the j-th direction, elements = its coordinates
  bootstrap = 4,      // place = resample, elements = its members
  reals = 6,          // fresh points of a mixture that are judged as samples are
  reference = 7,      // others, that distances are taken to
};

}  // namespace ganymede::evaluate
