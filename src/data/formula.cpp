#include "data/formula.hpp"

#include <numeric>

#include "data/shard_format.hpp"

namespace ganymede::data {
namespace {

constexpr const char* mixture_kind = "mixture";
constexpr const char* stacked_kind = "stacked_mnist";
constexpr double largest = 1e30;  // a point is a float32, and must stay finite

void check_numbers(const JsonReading& formula, const char* key, const std::vector<double>& values, double lowest) {
  for (const double value : values)
    if (!(value >= lowest && value <= largest))
      throw formula.wrong(key, fmt::format("holds {}: must be between {} and {}", value, lowest, largest));
}

Mixture read_mixture(const JsonReading& formula, const Manifest& manifest) {
  if (!manifest.is_points()) throw formula.wrong("kind", fmt::format("'{}' does not fit type '{}'", mixture_kind, manifest.type));
  const auto dims = formula.get<int64_t>("dims");
  if (dims != manifest.shape.at(0)) throw formula.wrong("dims", fmt::format("is {}, a sample has {} numbers", dims, manifest.shape.at(0)));
  Mixture mixture;
  mixture.centres = formula.get<std::vector<std::vector<double>>>("centres");
  const int64_t components = mixture.components();
  if (components < 1 || components > format::max_components || components * dims > format::max_formula_numbers)
    throw formula.wrong("centres", fmt::format("are {} of {} numbers: must be 1 to {}, and {} numbers at most", components, dims,
                                               format::max_components, format::max_formula_numbers));
  for (const auto& centre : mixture.centres) {
    if (static_cast<int64_t>(centre.size()) != dims) throw formula.wrong("centres", fmt::format("must have {} numbers each", dims));
    check_numbers(formula, "centres", centre, -largest);
  }
  const auto of_each = [&](const char* key) {
    auto values = formula.get<std::vector<double>>(key);
    if (static_cast<int64_t>(values.size()) != components)
      throw formula.wrong(key, fmt::format("must have one number for each of the {} centres", components));
    check_numbers(formula, key, values, 0);
    return values;
  };
  mixture.sd = of_each("sd");
  mixture.weights = of_each("weights");
  if (!(std::accumulate(mixture.weights.begin(), mixture.weights.end(), 0.0) > 0)) throw formula.wrong("weights", "are all zero");
  if (manifest.classes && manifest.class_count() != components)
    throw formula.wrong("centres", fmt::format("are {}, but there are {} classes", components, manifest.class_count()));
  return mixture;
}

StackedDigits read_stacked(const JsonReading& formula, const Manifest& manifest) {
  if (manifest.type != format::image_type || manifest.shape.at(2) != 3 || manifest.class_count() != 1000)
    throw formula.wrong("kind", fmt::format("'{}' needs images of 3 channels and 1000 classes", stacked_kind));
  const StackedDigits stacked{formula.get<int64_t>("digits")};
  if (stacked.digits < 1) throw formula.wrong("digits", "must be at least 1");
  return stacked;
}

}  // namespace

void read_formula(const JsonReading& formula, Manifest& manifest) {
  const auto kind = formula.get<std::string>("kind");
  if (kind == mixture_kind) manifest.mixture = read_mixture(formula, manifest);
  else if (kind == stacked_kind) manifest.stacked = read_stacked(formula, manifest);
  else throw formula.wrong("kind", fmt::format("is '{}', not {} or {}", kind, mixture_kind, stacked_kind));
}

Json formula_json(const Manifest& manifest) {
  if (const auto& m = manifest.mixture)
    return {{"kind", mixture_kind}, {"dims", m->dims()}, {"centres", m->centres}, {"sd", m->sd}, {"weights", m->weights}};
  if (const auto& s = manifest.stacked) return {{"kind", stacked_kind}, {"digits", s->digits}};
  return nullptr;
}

}  // namespace ganymede::data
