#include "train/compatibility.hpp"

#include <fmt/format.h>

#include "core/error.hpp"

namespace ganymede::train {
namespace {

using DBatch = gan::ObjectiveConfig::DBatch;
using Order = gan::ObjectiveConfig::Order;
using gan::Loss;
using nets::ConditionalKind;

struct Rule {
  bool applies;
  const char* key;
  std::string text;
};

std::vector<Finding> those_that_apply(const std::vector<Rule>& rules) {
  std::vector<Finding> found;
  for (const auto& rule : rules)
    if (rule.applies) found.push_back({rule.key, rule.text});
  return found;
}

// A recipe's choices by the names that the rules use.
struct Choices {
  explicit Choices(const RunConfig& c)
      : is_paired(c.objective.d_batch == DBatch::paired), is_packed(c.objective.pack > 1), has_penalty(c.regularizers.gradient_penalty.weight > 0),
        has_clip(c.regularizers.weight_clip.bound > 0), is_relativistic(c.objective.loss == Loss::relativistic),
        is_critic(c.objective.loss == Loss::wasserstein), has_balance(c.balance.mode != gan::BalanceConfig::Mode::off),
        accumulates(c.objective.accumulate > 1), matches_features(c.tricks.feature_matching.weight > 0),
        augments(!c.augment.policy.empty() || c.augment.ada.on),
        fresh_reals(is_paired || is_relativistic ||
                    (matches_features && c.tricks.feature_matching.reals == gan::FeatureMatchingConfig::Reals::fresh)) {}
  bool is_paired, is_packed, has_penalty, has_clip, is_relativistic, is_critic, has_balance, accumulates, matches_features, augments, fresh_reals;
};

// A rate that falls over as many steps as the run has.
bool is_open_ended(const gan::OptimizerConfig& o) {
  using Schedule = gan::OptimizerConfig::Schedule;
  return (o.schedule == Schedule::linear || o.schedule == Schedule::cosine) && !o.schedule_steps;
}

std::vector<Rule> rules_of_recipe(const RunConfig& c) {
  const Choices is(c);
  const auto& d = c.discriminator;
  const auto& o = c.objective;
  const auto& t = c.tricks;
  const bool is_cross_entropy = o.loss == Loss::non_saturating || o.loss == Loss::minimax;
  const bool has_soft_targets = t.targets.are_soft();
  return {
      {is.has_clip && is.has_penalty, "regularizers.weight_clip", "regularizers.weight_clip and gradient_penalty both bound the critic's slope; keep one of them"},
      {is.has_clip && d.spectral_norm, "regularizers.weight_clip", "regularizers.weight_clip and discriminator.spectral_norm both bound the critic's slope; keep one of them"},
      {is.has_penalty && d.norm == nets::Norm::batch, "discriminator.norm",
       "discriminator.norm = \"batch\" couples the samples of a batch, and the gradient penalty is a norm for each of them; use norm = \"none\" or \"virtual\""},
      {has_soft_targets && !is_cross_entropy, "tricks.label_smoothing",
       "soft or flipped targets belong to a cross-entropy, and objective.loss is none; set label_smoothing = \"off\" and label_flip = 0, or loss = \"non_saturating\""},
      {has_soft_targets && is.is_paired, "tricks.label_smoothing",
       "the targets of objective.d_batch = \"paired\" say where the real stands and are never soft; set label_smoothing = \"off\" and label_flip = 0"},
      {t.targets.noisy_real_low > t.targets.noisy_real_high, "tricks.noisy_real_low", "tricks.noisy_real_low is above noisy_real_high; lower it"},
      {is.is_paired && is.is_packed, "objective.pack", "objective.d_batch = \"paired\" shows D one real and one fake, pack several of one source; keep one of them"},
      {is.is_paired && o.loss != Loss::non_saturating, "objective.loss",
       "objective.d_batch = \"paired\" has a loss of its own (which slot holds the real); leave objective.loss at \"non_saturating\""},
      {is.is_paired && is.matches_features, "tricks.feature_matching",
       "in pairs D has no features of the real alone; set tricks.feature_matching = 0, or objective.d_batch = \"separate\""},
      {o.pack_slots && !is.is_packed, "objective.pack_slots", "objective.pack_slots parts the members of packs, and there are none; set objective.pack, or pack_slots = false"},
      {is.is_packed && c.conditional.kind == ConditionalKind::projection, "objective.pack",
       "a pack has several classes, and conditional.kind = \"projection\" takes one; use \"planes\", or pack = 1"},
      {is.is_packed && c.conditional.kind == ConditionalKind::classifier, "objective.pack",
       "a pack has several classes, and conditional.kind = \"classifier\" names one; use \"planes\", or pack = 1"},
      {is.is_paired && c.conditional.kind == ConditionalKind::classifier, "objective.d_batch",
       "a pair may have two classes, and conditional.kind = \"classifier\" names one; use \"planes\", or d_batch = \"separate\""},
      {is.is_paired && c.conditional.kind == ConditionalKind::projection, "objective.d_batch",
       "a pair may have two classes, and conditional.kind = \"projection\" takes one; use \"planes\", or d_batch = \"separate\""},
      {is.is_critic && is.has_balance, "balance.mode", "a critic's values have no sign to be right about; set balance.mode = \"off\", or another objective.loss"},
      {c.balance.low >= c.balance.high, "balance.low", "balance.low must be below balance.high"},
      {c.balance.mode == gan::BalanceConfig::Mode::steps && o.order == Order::simultaneous, "balance.mode",
       "objective.order = \"simultaneous\" has one step of each network; steer \"lr\", or use order = \"d_first\""},
      {c.balance.mode == gan::BalanceConfig::Mode::steps && (o.d_steps > 5 || o.g_steps > 5), "balance.mode",
       "balance.mode = \"steps\" stays within 1 to 5 steps of each network; start with d_steps and g_steps up to 5"},
      {c.balance.mode == gan::BalanceConfig::Mode::steps && c.run.images.has_value(), "run.images",
       "balance.mode = \"steps\" changes how many images an iteration shows to D, so their sum is not known; set run.steps instead of run.images"},
      {c.balance.mode == gan::BalanceConfig::Mode::steps && (is_open_ended(c.generator_optimizer) || is_open_ended(c.discriminator_optimizer)), "balance.mode",
       "balance.mode = \"steps\" changes how many steps a network does, so a rate cannot fall over the whole run; set schedule_steps"},
      {is.is_critic && c.augment.ada.on, "augment.ada", "ADA reads the sign of D's outputs, and a critic's have none; use augment.policy, or another objective.loss"},
      {t.gradient_clip.norm > 0 && t.gradient_clip.value > 0, "tricks.clip_d_value", "tricks.clip_d_norm and clip_d_value are two ways to clip; keep one of them"},
      {o.order == Order::simultaneous && (o.d_steps > 1 || o.g_steps > 1), "objective.order",
       "objective.order = \"simultaneous\" takes both gradients before either update: d_steps and g_steps must be 1"},
      {o.order == Order::g_first && t.reuse_fakes, "tricks.reuse_fakes",
       "with objective.order = \"g_first\" there is no D step before G's whose fakes could be reused; set reuse_fakes = false, or order = \"d_first\""},
      {is.accumulates && d.minibatch_discrimination > 0, "objective.accumulate",
       "discriminator.minibatch_discrimination compares all samples of the batch, and accumulate splits it; set one of them off"},
      {is.accumulates && d.minibatch_stddev > 1, "objective.accumulate",
       "a group of discriminator.minibatch_stddev would cross micro-batches; use minibatch_stddev = 1 (the whole micro-batch), or accumulate = 1"},
      {is.accumulates && is.is_packed, "objective.accumulate", "a pack would cross micro-batches; set objective.pack or accumulate to 1"},
      {is.accumulates && (d.norm == nets::Norm::virtual_batch), "objective.accumulate",
       "the reference batch of discriminator.norm = \"virtual\" is a whole batch's; set accumulate = 1"},
      {c.parallel.wire == parallel::Wire::bf16 && c.run.precision == gan::Precision::float64, "parallel.wire",
       "parallel.wire = \"bf16\" rounds gradients to 8 bits, and run.precision = \"float64\" asks for 53; set wire = \"native\""},
      {c.parallel.wire == parallel::Wire::bf16 && c.parallel.virtual_ranks > 0, "parallel.wire",
       "sums of parallel.virtual_ranks travel between processes in float32, so wire = \"bf16\" would round and save nothing; set wire = \"native\""},
  };
}

bool has_batch_norm(const nets::DiscriminatorConfig& d, const nets::SampleShape& shape) { return nets::norm_of(d, shape) == nets::Norm::batch; }

std::vector<Rule> rules_of_data(const RunConfig& c, const RunFactsForRules& f) {
  const Choices is(c);
  const auto& d = c.discriminator;
  const int64_t n = f.global_batch, pack = c.objective.pack, decisions = n / pack, group = d.minibatch_stddev;
  return {
      {is.has_penalty && d.norm == nets::Norm::by_kind && has_batch_norm(d, f.shape), "discriminator.norm",
       "this discriminator has batch norm, which couples samples, and the gradient penalty is a norm for each of them; set discriminator.norm = \"none\" or \"virtual\""},
      {is.matches_features && c.objective.d_batch == DBatch::joint && has_batch_norm(d, f.shape), "tricks.feature_matching",
       "with objective.d_batch = \"joint\" batch norm mixes reals and fakes into D's features, and they depend on the mix; set d_batch = \"separate\" or discriminator.norm = \"none\""},
      {n % pack != 0, "objective.pack", fmt::format("objective.pack = {} does not divide the global batch of {}; change one of them", pack, n)},
      {is.is_paired && n % 2 != 0, "data.global_batch", fmt::format("in pairs exactly half of the reals stand first, and the global batch of {} is odd", n)},
      {group > 1 && decisions % std::min(group, decisions) != 0, "discriminator.minibatch_stddev",
       fmt::format("groups of {} do not divide the {} rows that D judges; change discriminator.minibatch_stddev or data.global_batch", group, decisions)},
      {(d.minibatch_stddev > 0 || d.minibatch_discrimination > 0) && decisions < 2, "data.global_batch", "one row has no others to be compared with; raise data.global_batch"},
      {d.norm == nets::Norm::virtual_batch && decisions < 2, "discriminator.norm",
       "the reference batch of norm = \"virtual\" must hold at least 2 rows that D judges; raise data.global_batch"},
      {c.generator.norm == nets::Norm::virtual_batch && n < 2, "generator.norm", "the reference batch of norm = \"virtual\" must hold at least 2 samples; raise data.global_batch"},
      {is.augments && f.shape.is_points, c.augment.ada.on ? "augment.ada" : "augment.policy", "augmentation changes pictures, and the data set holds points; leave [augment] out"},
      {c.tricks.reuse_fakes && is.fresh_reals && n % f.streams != 0, "tricks.reuse_fakes",
       fmt::format("G's phase compares reused fakes with reals of its own, row by row: data.streams = {} must divide the global batch of {}", f.streams, n)},
      {c.conditional.kind != ConditionalKind::none && f.classes < 2, "conditional.kind",
       f.classes == 0 ? std::string("the data set has no classes; build it with labels, or set conditional.kind = \"none\"")
                      : fmt::format("two classes are needed, the data set has {}", f.classes)},
      {c.objective.accumulate > n, "objective.accumulate",
       fmt::format("objective.accumulate = {} is more than the global batch of {} has samples; lower it, or raise data.global_batch", c.objective.accumulate, n)},
      {c.objective.accumulate <= n && c.objective.accumulate > f.streams + n / f.streams - 1, "objective.accumulate",
       fmt::format("{} micro-batches cannot all get samples: place i of stream v goes to number v + i, and {} streams give at most {} each; lower it, or raise data.streams",
                   c.objective.accumulate, f.streams, n / f.streams)},
      {c.monitor.every_steps > 0 && !is.is_paired && (c.monitor.samples % (2 * pack) != 0 || c.monitor.samples < 4 * pack), "monitor.samples",
       fmt::format("a check needs an even number of packs, at least 4; make monitor.samples a multiple of {} from {} on", 2 * pack, 4 * pack)},
      {c.monitor.every_steps > 0 && group > 1 && (c.monitor.samples / pack) % group != 0, "monitor.samples",
       fmt::format("groups of {} do not divide the {} rows that D judges in a check; change monitor.samples", group, c.monitor.samples / pack)},
  };
}

}  // namespace

std::vector<Finding> refusals(const RunConfig& config, const std::optional<RunFactsForRules>& facts) {
  return those_that_apply(facts ? rules_of_data(config, *facts) : rules_of_recipe(config));
}

std::vector<Finding> warnings(const RunConfig& c, const RunFactsForRules& f) {
  const Choices is(c);
  const auto& d = c.discriminator;
  const bool mixes = d.minibatch_stddev > 0 || d.minibatch_discrimination > 0, has_bn = has_batch_norm(d, f.shape);
  const bool g_has_bn = nets::norm_of(c.generator) == nets::Norm::batch || nets::norm_of(c.generator) == nets::Norm::conditional;
  const bool are_digits = f.classes == 10 && !f.shape.is_points && f.shape.channels == 1;
  return those_that_apply({
      {mixes && is.has_penalty, "regularizers.gradient_penalty", "the penalty is a norm for each sample, and D's minibatch layer couples them"},
      {has_bn && d.spectral_norm, "discriminator.spectral_norm", "batch norm rescales what spectral norm has bounded; discriminator.norm = \"none\" is usual"},
      {has_bn && c.regularizers.r1.weight > 0, "regularizers.r1", "R1 is a slope for each sample, and batch norm in D couples them"},
      {is.has_clip && c.discriminator_optimizer.kind == gan::OptimizerConfig::Kind::adam && c.discriminator_optimizer.beta1 > 0, "optimizer.discriminator.beta1",
       "with weight clipping momentum is reported to be unstable; use kind = \"rmsprop\", or beta1 = 0"},
      {c.parallel.batch_norm == parallel::BatchNormScope::local, "parallel.batch_norm", "\"local\" makes the result depend on the number of ranks"},
      {(c.tricks.gradient_clip.norm > 0 || c.tricks.gradient_clip.value > 0) && is.has_penalty, "tricks.clip_d_norm",
       "a clipped gradient weakens the penalty where it is needed most"},
      {is.accumulates && (has_bn || g_has_bn || mixes || is.is_relativistic || is.matches_features || c.regularizers.dragan.weight > 0), "objective.accumulate",
       "statistics over the batch are taken over each micro-batch: another function than without"},
      {nets::uneven_kernel(c.generator) > 0, "generator.kind",
       fmt::format("its transposed convolutions have kernels of {}, which their stride of 2 does not divide: patterns of a checkerboard",
                   nets::uneven_kernel(c.generator))},
      {d.down == nets::Down::largest, "discriminator.down", "max pooling gives G sparse gradients; \"avg\" or \"stride\" is usual"},
      {are_digits && c.augment.ada.on && (c.augment.ada.multipliers.x_flip > 0 || c.augment.ada.multipliers.turns > 0), "augment.x_flip",
       "G learns to make flipped or turned digits, which are other digits"},
      {c.augment.ada.on && !c.augment.policy.empty(), "augment.policy", "DiffAugment and ADA at once: D may never see a sample as it is"},
      {c.data.table_members && *c.data.table_members > 1 && c.objective.pack != *c.data.table_members, "data.table_members",
       "the members of a table's row are meant to be one pack; objective.pack differs"},
  });
}

void check_with_data(const RunConfig& config, const RunFactsForRules& facts) {
  config::Mistakes mistakes;
  for (const auto& finding : refusals(config, facts)) mistakes.add("", fmt::format("{}: {}", finding.key, finding.text));
  mistakes.throw_if_any();
}

}  // namespace ganymede::train
