// [tricks] of a recipe: what is done to D's targets, inputs, features and gradient, each in its own file.
#pragma once
#include "gan/feature_matching.hpp"
#include "gan/gradient_clip.hpp"
#include "gan/instance_noise.hpp"
#include "gan/targets.hpp"

namespace ganymede::gan {

struct TricksConfig {
  bool reuse_fakes = false;  // G's steps take the latents of the last D step, the first one also its fakes
  int64_t freeze_d = 0;      // D's first layers with weights that are not trained
  TargetsConfig targets;
  InstanceNoiseConfig instance_noise;
  GradientClipConfig gradient_clip;
  FeatureMatchingConfig feature_matching;
};
void describe(config::Fields& fields, TricksConfig& c);

}  // namespace ganymede::gan
