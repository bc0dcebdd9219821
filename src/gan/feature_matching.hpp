// Feature matching: G also matches f, a layer of D, on reals. Salimans et al. 2016, "Improved Techniques for Training GANs", section
// 3.1. With w the weight, F features a sample and Δ = mean f(x) − mean f(G(z)) over the global batch:
//   elementwise  w·mean_{N·F} |f(x_g) − f(G(z_g))|, sample g of both batches paired
//   l1, l2       w·mean_F |Δ|, w·mean_F Δ²      l2_sum  w·Σ_F Δ²
// The means are one for all ranks before |·| or ², so a rank's share of the number is its R-th part.
// Reals pass through D without graph: those of the last D step, or N of their own.
#pragma once
#include <memory>
#include <string>

#include "gan/terms.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::gan {

struct FeatureMatchingConfig {
  double weight = 0.0;  // 0 = off
  enum class Kind { elementwise, l1, l2, l2_sum } kind = Kind::l1;
  std::string layer = "penultimate";  // the input of D's last layer; "output": its outputs; or the number of the layer whose output it is
  bool pool = false;                  // mean over pixels first
  enum class Reals { last, fresh } reals = Reals::last;
};
void describe(config::Fields& fields, FeatureMatchingConfig& c);

/// The number of the layer whose output is the input of D's last layer with weights.
int64_t layer_before_last(const nets::Network& discriminator);
/// Throws Error(Fault::recipe) where D has no such layer.
std::unique_ptr<GeneratorTerm> make_feature_matching(const FeatureMatchingConfig& config, const nets::Network& discriminator, int world_size);

}  // namespace ganymede::gan
