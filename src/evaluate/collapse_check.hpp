// One check for mode collapse: fakes against held-out reals, every indicator that has what it needs, then the state machine.
// Collapse = the fakes occupy too few modes; poor samples, or D winning, are not collapse by themselves.
//   d_wins      EMA(0.99) of D's loss < 0.05·log 4 and its accuracy > 0.99 (losses of the cross-entropy kind only)
//   diversity   ρ = V(y)/V(r) over EMA(0.9) of V(r′)/V(r): warn < 0.7, collapse < 0.5. As for two_sample, both the features and the
//               data must say so: D's features are trained to tell real from fake, and their spread moves with that alone.
//   stddev      minibatch standard deviation of the data, fakes over reals < 0.5
//   duplicates  features nearer than 1e-3·√V(r) to another of their set: share among fakes more than 0.05 above that among reals
//   gradients   gradient norm of either network > 100 or < 1e-8
//   classes     effective classes of fakes over reals: warn < 0.7, collapse < 0.5
//   two_sample  T > 5 on features, and M > 0.25 there and > 0.02 on the data: warn; 0.35 and 0.05: collapse
//   coverage    lost > 0.31, turnover > that of reals + 0.25, or forgotten > 0.31: warn; lost > 0.44: collapse. Of 8 equal modes that
//               is 2.5 and 3.5: between two counts, where the noise of a check's samples does not make the state flicker.
//   forgetting  EMA(0.9) of D's accuracy on fresh fakes minus that on replayed ones > 0.2
// Thresholds of two_sample and coverage were chosen on ring runs of seeds 100 to 104 (cluster/scaling/detector.py).
// A function of gathered samples: ranks that hold the same ones get the same result, so no rank decides alone.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/state.hpp"
#include "evaluate/collapse_monitor.hpp"
#include "evaluate/coverage.hpp"
#include "evaluate/two_sample.hpp"

namespace ganymede::evaluate {

constexpr int64_t least_check_samples = 64;

/// Throws Error(Fault::recipe) for an odd number of samples, fewer than 64, or fewer held-out reals than two sets of them
/// (held_out < 0: reals are made afresh).
void check_sample_counts(int64_t samples, int64_t held_out);

/// n samples each, pictures flattened: [n,F] and [n',F'], n' = n or, where D judges packs, the number of packs; both even. One
/// floating type for data and one for features.
struct CheckSamples {
  at::Tensor y, r, r2;                             // fakes; two disjoint sets of held-out reals
  at::Tensor y_features, r_features, r2_features;  // D's penultimate features in evaluation mode
  at::Tensor y_classes, r_classes, r2_classes;     // probabilities of a frozen classifier [n,K]; undefined without one
};

/// What the training step knows; empty where it does not apply.
struct CheckNumbers {
  std::optional<double> d_accuracy;
  std::optional<double> d_gradient_norm, g_gradient_norm;
  std::optional<double> accuracy_on_fresh, accuracy_on_replayed;  // of D on fakes
};

struct CheckReport {
  CollapseState state = CollapseState::ok;
  bool is_learning = true;
  Levels levels;
  std::vector<std::pair<std::string, double>> keys;  // for stats.jsonl
};

class CollapseCheck {
 public:
  /// centres [J,F]: the partition of the data space, fixed for the run.
  explicit CollapseCheck(const at::Tensor& centres, Kernel kernel = Kernel::gaussian) : kernel_(kernel), coverage_(centres) {}
  /// The partition is the classifier's: every check has its probabilities.
  static CollapseCheck by_classes(int64_t classes, Kernel kernel = Kernel::gaussian);

  /// D's loss of every iteration, in the form whose value at chance is log 4; not called for other losses.
  void see_loss(double d_loss);
  /// Throws Error(Fault::bug) for shapes that do not fit, Error(Fault::numeric) for samples or features that are not finite.
  CheckReport run(const CheckSamples& samples, const CheckNumbers& numbers = {});
  const CollapseMonitor& monitor() const { return monitor_; }

  void save(State& state, const std::string& group) const;
  void load(const State& state, const std::string& group);

 private:
  void see_diversity(const CheckSamples& samples, CheckReport& report);
  void see_kernels(const CheckSamples& samples, CheckReport& report) const;
  void see_coverage(const CheckSamples& samples, CheckReport& report);
  void see_classes(const CheckSamples& samples, CheckReport& report) const;
  void see_numbers(const CheckNumbers& numbers, CheckReport& report);

  Kernel kernel_;
  bool parts_are_classes_ = false;
  Coverage coverage_;
  CollapseMonitor monitor_;
  double spread_reference_of_data_ = 1, spread_reference_of_features_ = 1;  // EMA(0.9) of V(r′)/V(r)
  std::optional<double> average_loss_;                                      // EMA(0.99), begun with the first loss
  double average_forgetting_ = 0;                                           // EMA(0.9)
};

}  // namespace ganymede::evaluate
