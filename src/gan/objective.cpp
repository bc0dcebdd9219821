#include "gan/objective.hpp"

#include "config/fields.hpp"
#include "gan/tricks.hpp"

namespace ganymede::gan {

void describe(config::Fields& fields, ObjectiveConfig& c) {
  using Order = ObjectiveConfig::Order;
  using DBatch = ObjectiveConfig::DBatch;
  fields.choice("loss", c.loss, {{"non_saturating", Loss::non_saturating},
                                  {"minimax", Loss::minimax},
                                  {"wasserstein", Loss::wasserstein},
                                  {"hinge", Loss::hinge},
                                  {"least_squares", Loss::least_squares},
                                  {"relativistic", Loss::relativistic}},
                "both players' losses (gan/losses.hpp, gan/adversary.hpp)");
  fields.choice("d_loss", c.d_loss, {{"sum", LossScale::sum}, {"half", LossScale::half}}, "mean over reals plus mean over fakes, or half of it");
  fields.integer("d_steps", c.d_steps, "D updates per iteration").at_least(1).at_most(65536);
  fields.integer("g_steps", c.g_steps, "G updates per iteration").at_least(1).at_most(65536);
  fields.choice("order", c.order, {{"d_first", Order::d_first}, {"g_first", Order::g_first}, {"simultaneous", Order::simultaneous}},
                "who moves first; simultaneous: both gradients before either update");
  fields.choice("d_batch", c.d_batch, {{"separate", DBatch::separate}, {"joint", DBatch::joint}, {"paired", DBatch::paired}},
                "reals and fakes in two passes through D, in one, or side by side in pairs");
  fields.integer("pack", c.pack, "samples of one source that D judges together").at_least(1).at_most(64);
  fields.flag("pack_slots", c.pack_slots, "each slot of the packs comes from a pass of G of its own, with its own batch norm statistics");
  fields.integer("accumulate", c.accumulate, "micro-batches per update").at_least(1);
}

void describe(config::Fields& fields, TricksConfig& c) {
  fields.flag("reuse_fakes", c.reuse_fakes, "G's steps take the latents of the last D step, the first one also its fakes");
  fields.integer("freeze_d", c.freeze_d, "D's first layers with weights that keep their start").at_least(0).at_most(1000);
  describe(fields, c.targets);
  describe(fields, c.instance_noise);
  describe(fields, c.gradient_clip);
  describe(fields, c.feature_matching);
}

}  // namespace ganymede::gan
