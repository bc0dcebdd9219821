// [objective] of a recipe: what the players play for, and who moves when.
#pragma once
#include <cstdint>

#include "gan/losses.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::gan {

struct ObjectiveConfig {
  Loss loss = Loss::non_saturating;
  LossScale d_loss = LossScale::sum;
  int64_t d_steps = 1;
  int64_t g_steps = 1;
  enum class Order { d_first, g_first, simultaneous } order = Order::d_first;  // simultaneous: both gradients before either update
  enum class DBatch { separate, joint, paired } d_batch = DBatch::separate;    // joint: one pass over both; paired: side by side
  int64_t pack = 1;        // samples of one source that D judges together
  bool pack_slots = false;  // each slot of the packs from a pass of G of its own (pack_slots.hpp)
  int64_t accumulate = 1;  // micro-batches per update
};
void describe(config::Fields& fields, ObjectiveConfig& c);
/// Samples that make one row of D's.
inline int64_t joined_samples(const ObjectiveConfig& c) { return c.d_batch == ObjectiveConfig::DBatch::paired ? 2 : c.pack; }

}  // namespace ganymede::gan
