// [regularizers] of a recipe: every penalty on a player's weights or slopes, each in its own file.
#pragma once
#include "gan/dragan.hpp"
#include "gan/drift.hpp"
#include "gan/gradient_penalty.hpp"
#include "gan/historical_average.hpp"
#include "gan/r1.hpp"
#include "gan/weight_clip.hpp"

namespace ganymede::gan {

struct RegularizersConfig {
  GradientPenaltyConfig gradient_penalty;
  R1Config r1;
  DraganConfig dragan;
  DriftConfig drift;
  WeightClipConfig weight_clip;
  HistoricalAverageConfig historical_averaging;
};

inline void describe(config::Fields& fields, RegularizersConfig& c) {
  describe(fields, c.gradient_penalty);
  describe(fields, c.r1);
  describe(fields, c.dragan);
  describe(fields, c.drift);
  describe(fields, c.weight_clip);
  describe(fields, c.historical_averaging);
}

}  // namespace ganymede::gan
