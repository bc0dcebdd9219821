// Two made-up components and a nested one, described as real ones are.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/recipe.hpp"

namespace ganymede::config::example {

enum class Rule { adam, rmsprop };

struct Example {
  std::string name = "run";
  uint64_t seed = 0;
  std::optional<int64_t> steps, images;
  std::optional<std::string> note;
  double bucket_mib = 25.0;
  bool overlap = true;
  Rule rule = Rule::adam;
  double lr = 2e-4, beta = 0.5;
  std::optional<double> decay;
};

inline std::vector<Section> sections(Example& c) {
  return {{"run",
           [&c](Fields& fields) {
             fields.text("name", c.name, "what the run is called");
             fields.integer("seed", c.seed, "of all random numbers");
             fields.integer("steps", c.steps, "iterations").at_least(1);
             fields.integer("images", c.images, "reals shown").at_least(1).at_most(1'000'000);
             fields.text("note", c.note, "anything");
           }},
          {"parallel",
           [&c](Fields& fields) {
             fields.number("bucket_mib", c.bucket_mib, "size of a gradient bucket").at_least(0.1);
             fields.flag("overlap", c.overlap, "send full buckets while backward still runs");
           }},
          {"optimizer.generator", [&c](Fields& fields) {
             fields.choice("kind", c.rule, {{"adam", Rule::adam}, {"rmsprop", Rule::rmsprop}}, "update rule");
             fields.number("lr", c.lr, "learning rate").above(0);
             fields.number("beta1", c.beta, "decay of the first moment").at_least(0).below(1);
             fields.number("decay_rate", c.decay, "of the learning rate").above(0).at_most(1);
           }}};
}

inline const ExclusiveKeys exclusive = {{"run.steps", "run.images"}};

}  // namespace ganymede::config::example
