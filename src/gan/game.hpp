// A recipe's choices as lists: what D is shown, what each player's loss adds up, what is done around an update, who watches.
// The step runs the lists and knows none of their members.
#pragma once
#include <memory>
#include <vector>

#include "gan/augment.hpp"
#include "gan/balance.hpp"
#include "gan/classes.hpp"
#include "gan/objective.hpp"
#include "gan/regularizers.hpp"
#include "gan/terms.hpp"
#include "gan/tricks.hpp"
#include "nets/architectures.hpp"

namespace ganymede::gan {

struct GameSetup {
  ObjectiveConfig objective;
  RegularizersConfig regularizers;
  TricksConfig tricks;
  nets::ConditionalConfig conditional;
  BalanceConfig balance;
  AugmentConfig augment;
  nets::LatentConfig latent;
  Precision precision = Precision::float32;
  int64_t global_batch = 0;
  std::vector<int64_t> class_counts;            // samples of each class of the data set; empty where it has none
  int world_size = 1;
  nets::BatchStatistics* statistics = nullptr;  // sums over ranks; nullptr: one process
};

struct Game {
  std::vector<std::unique_ptr<Filter>> filters;
  std::shared_ptr<Adversary> adversary;  // also the first term of both players
  std::vector<std::shared_ptr<DiscriminatorTerm>> discriminator_terms;
  std::vector<std::shared_ptr<GeneratorTerm>> generator_terms;
  std::vector<std::unique_ptr<UpdateHook>> update_hooks;
  std::vector<std::unique_ptr<Controller>> controllers;
  bool has_classes = false;  // D's outputs have a classifier's columns
};

/// Throws Error(Fault::recipe) for what only the network can tell, as a layer that is not there.
Game make_game(const GameSetup& setup, nets::Network& discriminator);

}  // namespace ganymede::gan
