#include "evaluate/collapse_check.hpp"

#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/saved_values.hpp"
#include "evaluate/diversity.hpp"

namespace ganymede::evaluate {
namespace {

constexpr double duplicate_radius = 1e-3;  // of √V(r)

void check_set(const char* name, const at::Tensor& x, const at::Tensor& like) {
  if (!x.defined() || x.dim() != 2 || !x.sizes().equals(like.sizes()) || x.scalar_type() != like.scalar_type())
    throw Error(Fault::bug, "a collapse check got {} of another shape or type than [{}, {}]", name, like.size(0), like.size(1));
  if (!x.isfinite().all().item<bool>()) throw Error(Fault::numeric, "a collapse check met {} that are not finite", name);
}

void check_samples(const CheckSamples& s) {
  for (const auto* x : {&s.y, &s.y_features})
    if (!x->defined() || x->dim() != 2 || x->size(0) % 2 != 0 || x->size(0) < 4)
      throw Error(Fault::bug, "a collapse check needs fakes and their features as [n,F] with an even n");
  check_set("fakes", s.y, s.y);
  check_set("reals", s.r, s.y);
  check_set("other reals", s.r2, s.y);
  check_set("features of fakes", s.y_features, s.y_features);
  check_set("features of reals", s.r_features, s.y_features);
  check_set("features of other reals", s.r2_features, s.y_features);
}

double blend(double average, double value, double decay) { return decay * average + (1.0 - decay) * value; }

void say(CheckReport& report, Indicator indicator, Level level) { report.levels[static_cast<size_t>(indicator)] = level; }
void add(CheckReport& report, const char* name, double value) { report.keys.emplace_back(std::string("collapse_") + name, value); }

// NaN is below nothing, and so no hit.
Level level(bool warns, bool collapses = false) { return collapses ? Level::collapse : warns ? Level::warn : Level::none; }
Level below(double value, double warn, double collapse) { return level(value < warn, value < collapse); }

// V(y)/V(r) over the same of reals against reals, whose average takes this check in first.
double relative_spread(const at::Tensor& y, const at::Tensor& r, const at::Tensor& r2, double& reference) {
  const double of_reals = spread(r), between_reals = spread(r2) / of_reals;
  if (std::isfinite(between_reals)) reference = blend(reference, between_reals, 0.9);
  return spread(y) / of_reals / reference;
}

bool is_extreme(const std::optional<double>& norm) { return norm && (*norm > 100.0 || *norm < 1e-8); }

TwoSample judge(const at::Tensor& r, const at::Tensor& y, const KernelMatrices& squared, Kernel kernel) {
  if (kernel == Kernel::polynomial) return two_sample(polynomial_kernels(r, y));
  return two_sample(gaussian_kernels(squared, median_bandwidth_squared(squared.rr)));
}

}  // namespace

void check_sample_counts(int64_t samples, int64_t held_out) {
  if (samples % 2 != 0 || samples < least_check_samples)
    throw Error(Fault::recipe, "monitor.samples = {}: must be even and at least {}", samples, least_check_samples)
        .cause("the significance of the two-sample statistic comes from two halves of them");
  if (held_out >= 0 && held_out < 2 * samples)
    throw Error(Fault::recipe, "monitor.samples = {}: two disjoint sets of that many held-out reals are needed, not {} in all", samples,
                held_out)
        .remedy("lower monitor.samples or raise data.holdout");
}

void CollapseCheck::see_loss(double d_loss) { average_loss_ = average_loss_ ? blend(*average_loss_, d_loss, 0.99) : d_loss; }

CheckReport CollapseCheck::run(const CheckSamples& samples, const CheckNumbers& numbers) {
  check_samples(samples);
  CheckReport report;
  see_diversity(samples, report);
  see_kernels(samples, report);
  see_coverage(samples, report);
  see_classes(samples, report);
  see_numbers(numbers, report);

  report.state = monitor_.see(report.levels);
  report.is_learning = monitor_.is_learning();
  add(report, "state", static_cast<double>(report.state));
  add(report, "learning", report.is_learning ? 1.0 : 0.0);
  const auto is_hit = [](const std::optional<Level>& l) { return l && *l >= Level::warn; };
  add(report, "hits", static_cast<double>(std::count_if(report.levels.begin(), report.levels.end(), is_hit)));
  return report;
}

// The nearest corner of the simplex is the likeliest class.
CollapseCheck CollapseCheck::by_classes(int64_t classes, Kernel kernel) {
  CollapseCheck check(at::eye(classes, at::kDouble), kernel);
  check.parts_are_classes_ = true;
  return check;
}

void CollapseCheck::see_diversity(const CheckSamples& s, CheckReport& report) {
  const double of_data = relative_spread(s.y, s.r, s.r2, spread_reference_of_data_);
  const double of_features = relative_spread(s.y_features, s.r_features, s.r2_features, spread_reference_of_features_);
  const double deviation = minibatch_deviation(s.y) / minibatch_deviation(s.r);
  say(report, Indicator::diversity, below(std::max(of_data, of_features), 0.7, 0.5));
  say(report, Indicator::stddev, level(deviation < 0.5));
  add(report, "diversity", of_features);
  add(report, "diversity_data", of_data);
  add(report, "stddev", deviation);
}

// Near-duplicates and the two-sample statistic share the distances between features.
void CollapseCheck::see_kernels(const CheckSamples& s, CheckReport& report) const {
  const auto squared = squared_distance_matrices(s.r_features, s.y_features);
  const double radius = duplicate_radius * std::sqrt(spread(s.r_features));
  const double duplicates = duplicate_share(s.y_features, squared.yy, radius) - duplicate_share(s.r_features, squared.rr, radius);
  say(report, Indicator::duplicates, level(duplicates > 0.05));
  add(report, "duplicates", duplicates);

  const auto on_features = judge(s.r_features, s.y_features, squared, kernel_);
  const auto on_data = judge(s.r, s.y, squared_distance_matrices(s.r, s.y), kernel_);
  const bool is_significant = on_features.t > 5.0;
  say(report, Indicator::two_sample, level(is_significant && on_features.effect > 0.25 && on_data.effect > 0.02,
                                           is_significant && on_features.effect > 0.35 && on_data.effect > 0.05));
  add(report, "mmd", on_features.effect);
  add(report, "mmd_data", on_data.effect);
  add(report, "mmd_t", on_features.t);
}

void CollapseCheck::see_coverage(const CheckSamples& s, CheckReport& report) {
  const auto parts = parts_are_classes_ ? coverage_.see(s.y_classes, s.r_classes, s.r2_classes) : coverage_.see(s.y, s.r, s.r2);
  const bool warns = parts.lost > 0.31 || parts.turnover > parts.turnover_of_reals + 0.25 || parts.forgotten > 0.31;
  say(report, Indicator::coverage, level(warns, parts.lost > 0.44));
  add(report, "lost", parts.lost);
  add(report, "turnover", parts.turnover);
  add(report, "turnover_real", parts.turnover_of_reals);
  add(report, "forgotten", parts.forgotten);
}

void CollapseCheck::see_classes(const CheckSamples& s, CheckReport& report) const {
  if (!s.y_classes.defined() || !s.r_classes.defined()) return;
  const double classes = effective_classes(s.y_classes) / effective_classes(s.r_classes);
  say(report, Indicator::classes, below(classes, 0.7, 0.5));
  add(report, "classes", classes);
}

void CollapseCheck::see_numbers(const CheckNumbers& numbers, CheckReport& report) {
  if (average_loss_ && numbers.d_accuracy) {
    say(report, Indicator::d_wins, level(*average_loss_ < 0.05 * std::log(4.0) && *numbers.d_accuracy > 0.99));
    add(report, "d_loss", *average_loss_);
  }
  if (numbers.d_gradient_norm || numbers.g_gradient_norm)
    say(report, Indicator::gradients, level(is_extreme(numbers.d_gradient_norm) || is_extreme(numbers.g_gradient_norm)));
  if (numbers.accuracy_on_fresh && numbers.accuracy_on_replayed) {
    average_forgetting_ = blend(average_forgetting_, *numbers.accuracy_on_fresh - *numbers.accuracy_on_replayed, 0.9);
    say(report, Indicator::forgetting, level(average_forgetting_ > 0.2));
    add(report, "forgetting", average_forgetting_);
  }
}

void CollapseCheck::save(State& state, const std::string& group) const {
  coverage_.save(state, group + "/coverage");
  monitor_.save(state, group + "/monitor");
  auto& values = state.attributes[group];
  values["spread_reference_of_data"] = spread_reference_of_data_;
  values["spread_reference_of_features"] = spread_reference_of_features_;
  values["average_forgetting"] = average_forgetting_;
  if (average_loss_) values["average_loss"] = *average_loss_;
}

void CollapseCheck::load(const State& state, const std::string& group) {
  coverage_.load(state, group + "/coverage");
  monitor_.load(state, group + "/monitor");
  spread_reference_of_data_ = saved_value<double>(state, group, "spread_reference_of_data");
  spread_reference_of_features_ = saved_value<double>(state, group, "spread_reference_of_features");
  average_forgetting_ = saved_value<double>(state, group, "average_forgetting");
  average_loss_.reset();  // a loss of another kind has none
  if (state.attributes.at(group).contains("average_loss")) average_loss_ = saved_value<double>(state, group, "average_loss");
}

}  // namespace ganymede::evaluate
