// The mixtures that have names.
#include <cmath>
#include <numbers>

#include "core/error.hpp"
#include "data/build.hpp"

namespace ganymede::data {
namespace {

void check_length(const char* key, double value) {
  if (!(value >= 0) || !std::isfinite(value)) throw Error(Fault::usage, "--{} {}: must be finite and not negative", key, value);
}

void check_count(const char* key, int64_t value, int64_t most) {
  if (value < 1 || value > most) throw Error(Fault::usage, "--{} {}: must be between 1 and {}", key, value, most);
}

Mixture alike(std::vector<std::vector<double>> centres, double sd) {
  const size_t n = centres.size();
  return {.centres = std::move(centres), .sd = std::vector<double>(n, sd), .weights = std::vector<double>(n, 1.0)};
}

}  // namespace

NamedMixture ring(int64_t modes, double radius, double sd) {
  check_count("modes", modes, format::max_components);
  check_length("radius", radius);
  check_length("sd", sd);
  std::vector<std::vector<double>> centres;
  for (int64_t i = 0; i < modes; ++i) {
    const double angle = 2.0 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(modes);
    centres.push_back({radius * std::cos(angle), radius * std::sin(angle)});
  }
  return {fmt::format("ring of {} Gaussians, radius {}, standard deviation {}", modes, radius, sd), alike(std::move(centres), sd)};
}

NamedMixture grid(int64_t side, double spacing, double sd) {
  check_count("side", side, 256);  // 65,536 components
  check_length("spacing", spacing);
  check_length("sd", sd);
  const auto coordinate = [&](int64_t i) { return spacing * (static_cast<double>(i) - 0.5 * static_cast<double>(side - 1)); };
  std::vector<std::vector<double>> centres;
  for (int64_t i = 0; i < side; ++i)
    for (int64_t j = 0; j < side; ++j) centres.push_back({coordinate(i), coordinate(j)});
  auto name = fmt::format("grid of {0} x {0} Gaussians, spacing {1}, standard deviation {2}", side, spacing, sd);
  return {std::move(name), alike(std::move(centres), sd)};
}

NamedMixture gmm1d() {
  return {"five Gaussians on a line", {.centres = {{10}, {20}, {60}, {80}, {110}}, .sd = {3, 3, 2, 2, 1}, .weights = {1, 1, 1, 1, 1}}};
}

}  // namespace ganymede::data
