// Moving average of the generator's weights, for samples and evaluation: θ̄ ← β·θ̄ + (1−β)·θ after each G step,
// with β never more than (1+t)/(10+t) at the t-th update, so that a short run is not shown its initial weights.
// With a half-life h in thousands of images, N an iteration's: β = 0.5^(N/min(1000·h, ramp·images shown so far)), so it means the same at
// any batch size. The first `start` G steps copy. Buffers of batch norm are copied. Karras et al. 2018, "Progressive Growing of GANs", section 4 of the appendix.
#pragma once
#include <memory>

#include "gan/hooks.hpp"
#include "nets/network.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::gan {

struct AverageConfig {
  double decay = 0.999;
  double half_life_kimg = 0.0;  // in place of decay, where above 0
  double half_life_ramp = 0.0;  // share of the images shown so far that the half-life may be; 0: no ramp
  int64_t start = 0;            // G steps that are copied
};
void describe(config::Fields& fields, AverageConfig& c);

class Average {
 public:
  /// `average` is a second generator of the same architecture; `flat` its flat weights, as `source` is of the trained one.
  /// global_batch: images of a G step, which a half-life counts.
  Average(const AverageConfig& config, std::shared_ptr<nets::Network> average, at::Tensor flat, std::shared_ptr<nets::Network> source, at::Tensor source_flat,
          int64_t global_batch);
  /// Starts equal to the source.
  void reset();
  /// The t-th update, t from 1.
  void update(int64_t t);
  const std::shared_ptr<nets::Network>& network() const { return average_; }

 private:
  void copy_buffers();
  AverageConfig config_;
  int64_t global_batch_;
  std::shared_ptr<nets::Network> average_, source_;
  at::Tensor flat_, source_flat_;
};

/// The decay of the t-th update, of G steps with global_batch images each.
double average_decay(const AverageConfig& config, int64_t t, int64_t global_batch);

}  // namespace ganymede::gan
