// When does a result count? Rules for figures over several seeds, and against published means.
//   methods against each other   paired differences over equal seeds: mean, 95 % bootstrap interval over seeds, exact sign-flip p.
//                                With n seeds the smallest two-sided p is 2^(1−n), so 5 seeds cannot reach 0.05.
//   against a published mean μ₀ with sd s₀ of n₀ runs (a published standard error times √n₀ is the sd):
//     consistent   |m−μ₀| ≤ 2·√(s²/n + s₀²/n₀), with s₀ for s when n < 5
//     equivalent   n ≥ 5: two one-sided t-tests at 5 % with margin 2·s₀ (Welch 1947; Schuirmann 1987) reject both sides;
//                  2 ≤ n < 5: consistent, and each run within μ₀ ± 2·s₀·√(1+1/n₀)
// A published mean is never a floor: a perfect reproduction misses it half of the time.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/rng.hpp"

namespace ganymede::evaluate {

struct Runs {
  double mean;
  double sd;  // with n−1; 0 for one run
  int64_t count;
};
/// Throws Error(Fault::bug) without values.
Runs summarize(const std::vector<double>& values);

/// Throws Error(Fault::usage) where a count is below 1 or a deviation negative.
bool consistent(const Runs& ours, const Runs& published);

/// Throws Error(Fault::usage) for one run of ours, or a published sd that is not positive or of fewer than 2 runs.
bool equivalent(const std::vector<double>& ours, const Runs& published);
/// The rule for n ≥ 5 alone.
bool equivalent_by_tests(const Runs& ours, const Runs& published);

/// Two-sided: the share of all 2^n sign patterns whose mean is at least as far from 0. n from 1 to 24, else Error(Fault::usage).
double sign_flip_p(const std::vector<double>& differences);

struct Interval {
  double low, high;
};
constexpr int64_t bootstrap_resamples = 10'000;
/// 2.5 % and 97.5 % points (linear between ranks) of the means of resampled values. Draws purpose eval, step 0.
Interval bootstrap_interval(const std::vector<double>& values, const Rng& rng, int64_t resamples = bootstrap_resamples);

struct PairedComparison {
  double mean;  // of first − second
  Interval interval;
  double p;
  std::string verdict;  // "lower", "higher", "no difference shown"; below 6 seeds "lower in all n", "higher in all n", "mixed"
};
/// Values of two methods at equal seeds, in equal order. "lower" and "higher" need an interval without 0 and p < 0.05.
PairedComparison compare_paired(const std::vector<double>& first, const std::vector<double>& second, const Rng& rng);

/// P(t ≤ x) of Student's t; df ≥ 1, need not be whole.
double student_t_cdf(double x, double df);

}  // namespace ganymede::evaluate
