// What does not go together in a recipe, in one table: refusals, each with the reason and the way out, and warnings. Asked before any
// network is built: once of the recipe alone, and once more when the data set and the number of ranks are known.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "nets/network_config.hpp"
#include "train/run_config.hpp"

namespace ganymede::train {

/// What the recipe does not say itself.
struct RunFactsForRules {
  int64_t global_batch = 0, streams = 0;
  nets::SampleShape shape;
  int64_t classes = 0;  // of the data set
};

struct Finding {
  std::string key;   // the key to change
  std::string text;  // what is wrong with it, why, and what to do
};

/// Without facts: what the recipe alone shows. With them: what only they show.
std::vector<Finding> refusals(const RunConfig& config, const std::optional<RunFactsForRules>& facts);
/// What works, and is rarely meant.
std::vector<Finding> warnings(const RunConfig& config, const RunFactsForRules& facts);

/// Throws Error(Fault::recipe) listing every refusal of the second kind.
void check_with_data(const RunConfig& config, const RunFactsForRules& facts);

}  // namespace ganymede::train
