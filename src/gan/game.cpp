#include "gan/game.hpp"

#include "gan/adversary.hpp"
#include "gan/augmentation.hpp"
#include "gan/class_planes.hpp"
#include "gan/classifier_loss.hpp"
#include "gan/packs.hpp"
#include "gan/reference_batch.hpp"

namespace ganymede::gan {
namespace {

using DBatch = ObjectiveConfig::DBatch;
using nets::ConditionalKind;

// The order is part of their meaning: the class is told without noise, packs are made of whole samples, the reference is what D sees.
void add_filters(Game& game, const GameSetup& s, nets::Network& discriminator) {
  if (!s.augment.policy.empty() || s.augment.ada.on) {
    auto augmentation = make_augmentation(s.augment, s.global_batch);
    game.filters.push_back(std::move(augmentation.filter));
    if (augmentation.controller) game.controllers.push_back(std::move(augmentation.controller));
  }
  if (s.tricks.instance_noise.deviation > 0) game.filters.push_back(make_instance_noise(s.tricks.instance_noise));
  if (s.conditional.kind == ConditionalKind::planes) game.filters.push_back(make_class_planes(static_cast<int64_t>(s.class_counts.size())));
  if (s.objective.pack > 1) game.filters.push_back(make_packs(s.objective.pack));
  if (discriminator.needs_reference()) game.filters.push_back(make_reference_collector());
}

void add_terms(Game& game, const GameSetup& s, const nets::Network& discriminator) {
  const auto& o = s.objective;
  const auto& r = s.regularizers;
  game.adversary = o.d_batch == DBatch::paired ? make_pair_adversary(o.d_loss) : make_adversary(o.loss, o.d_loss, s.tricks.targets);
  game.discriminator_terms.push_back(game.adversary);
  game.generator_terms.push_back(game.adversary);
  if (r.r1.weight > 0) game.discriminator_terms.push_back(make_r1(r.r1));
  if (r.drift.weight > 0) game.discriminator_terms.push_back(make_drift(r.drift));
  if (r.gradient_penalty.weight > 0) game.discriminator_terms.push_back(make_gradient_penalty(r.gradient_penalty));
  if (r.dragan.weight > 0) game.discriminator_terms.push_back(make_dragan(r.dragan));
  game.has_classes = s.conditional.kind == ConditionalKind::classifier;
  if (game.has_classes && s.conditional.classifier_weight > 0) {
    game.discriminator_terms.push_back(make_classifier_loss_of_d(s.conditional.classifier_weight, s.conditional.classifier_fakes));
    game.generator_terms.push_back(make_classifier_loss_of_g(s.conditional.classifier_weight));
  }
  if (s.tricks.feature_matching.weight > 0)
    game.generator_terms.push_back(make_feature_matching(s.tricks.feature_matching, discriminator, s.world_size));
}

void add_hooks(Game& game, const GameSetup& s) {
  const auto& r = s.regularizers;
  if (r.weight_clip.bound > 0) game.update_hooks.push_back(make_weight_clip(r.weight_clip));  // before the mean of weights, which is of clipped ones
  if (r.historical_averaging.weight > 0) game.update_hooks.push_back(make_historical_average(r.historical_averaging));
  if (s.tricks.gradient_clip.norm > 0 || s.tricks.gradient_clip.value > 0) game.update_hooks.push_back(make_gradient_clip(s.tricks.gradient_clip));
  if (s.balance.mode != BalanceConfig::Mode::off)
    game.controllers.push_back(make_balance(s.balance, Pace{s.objective.d_steps, s.objective.g_steps, 1.0}));
}

}  // namespace

Game make_game(const GameSetup& setup, nets::Network& discriminator) {
  Game game;
  add_filters(game, setup, discriminator);
  add_terms(game, setup, discriminator);
  add_hooks(game, setup);
  return game;
}

}  // namespace ganymede::gan
