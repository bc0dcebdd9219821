#include "evaluate/evidence.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <numeric>

#include "core/error.hpp"
#include "evaluate/draws.hpp"

namespace ganymede::evaluate {
namespace {

constexpr size_t most_flipped = 24;         // 2^24 patterns: below a second
constexpr int64_t least_for_tests = 5;
constexpr size_t least_for_p = 6;           // 2^(1−6) = 0.031
constexpr double one_sided_level = 0.05;

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

void check_runs(const Runs& runs, const char* whose) {
  if (runs.count < 1 || !(runs.sd >= 0))
    throw Error(Fault::usage, "{} runs: {} of them with standard deviation {}", whose, runs.count, runs.sd);
}

double squared_error(double sd, int64_t count) { return sd * sd / static_cast<double>(count); }

// Value at a fraction of the way through sorted values, linear between neighbours.
double point_at(const std::vector<double>& sorted, double fraction) {
  const double place = fraction * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const auto above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], place - static_cast<double>(below));
}

std::string few_seeds_verdict(const std::vector<double>& differences) {
  const auto n = differences.size();
  if (std::all_of(differences.begin(), differences.end(), [](double d) { return d < 0; })) return fmt::format("lower in all {}", n);
  if (std::all_of(differences.begin(), differences.end(), [](double d) { return d > 0; })) return fmt::format("higher in all {}", n);
  return "mixed";
}

}  // namespace

Runs summarize(const std::vector<double>& values) {
  if (values.empty()) throw Error(Fault::bug, "a mean over no runs");
  const double mean = mean_of(values);
  double squares = 0;
  for (const double v : values) squares += (v - mean) * (v - mean);
  const auto n = static_cast<int64_t>(values.size());
  return {mean, n > 1 ? std::sqrt(squares / static_cast<double>(n - 1)) : 0.0, n};
}

bool consistent(const Runs& ours, const Runs& published) {
  check_runs(ours, "our");
  check_runs(published, "the published");
  const double sd = ours.count < least_for_tests ? published.sd : ours.sd;
  const double error = std::sqrt(squared_error(sd, ours.count) + squared_error(published.sd, published.count));
  return std::abs(ours.mean - published.mean) <= 2.0 * error;
}

bool equivalent_by_tests(const Runs& ours, const Runs& published) {
  check_runs(ours, "our");
  if (ours.count < 2 || published.count < 2 || !(published.sd > 0))
    throw Error(Fault::usage, "'equivalent' is asked of {} runs against {} published ones with standard deviation {}", ours.count,
                published.count, published.sd)
        .cause("a t-test needs two runs on each side and a margin");
  const double a = squared_error(ours.sd, ours.count), b = squared_error(published.sd, published.count);
  const double df = (a + b) * (a + b) / (a * a / static_cast<double>(ours.count - 1) + b * b / static_cast<double>(published.count - 1));
  const double room = 2.0 * published.sd - std::abs(ours.mean - published.mean);  // to the nearer margin: the other rejects with it
  return 1.0 - student_t_cdf(room / std::sqrt(a + b), df) <= one_sided_level;
}

bool equivalent(const std::vector<double>& ours, const Runs& published) {
  const auto runs = summarize(ours);
  if (runs.count >= least_for_tests) return equivalent_by_tests(runs, published);
  if (runs.count < 2) throw Error(Fault::usage, "'equivalent' is asked of one run").remedy("run at least 2 seeds, better 5");
  check_runs(published, "the published");
  const double reach = 2.0 * published.sd * std::sqrt(1.0 + 1.0 / static_cast<double>(published.count));
  const auto is_near = [&](double value) { return std::abs(value - published.mean) <= reach; };
  return consistent(runs, published) && std::all_of(ours.begin(), ours.end(), is_near);
}

// Gray code: each pattern differs from the one before in one sign, so its sum is one addition away.
double sign_flip_p(const std::vector<double>& differences) {
  const auto n = differences.size();
  if (n < 1 || n > most_flipped)
    throw Error(Fault::usage, "the sign-flip test is exact for 1 to {} differences, not for {}", most_flipped, n);
  double sum = std::accumulate(differences.begin(), differences.end(), 0.0), scale = 0;
  for (const double d : differences) scale += std::abs(d);
  const double least = std::abs(sum) - 1e-12 * scale;  // patterns that differ by rounding alone count as equally far
  std::vector<double> sign(n, 1.0);
  const uint64_t patterns = uint64_t{1} << n;
  uint64_t as_far = 1;  // the observed pattern
  for (uint64_t i = 1; i < patterns; ++i) {
    const auto flipped = static_cast<size_t>(std::countr_zero(i));
    sign[flipped] = -sign[flipped];
    sum += 2.0 * sign[flipped] * differences[flipped];
    as_far += std::abs(sum) >= least;
  }
  return static_cast<double>(as_far) / static_cast<double>(patterns);
}

Interval bootstrap_interval(const std::vector<double>& values, const Rng& rng, int64_t resamples) {
  if (values.empty() || resamples < 1) throw Error(Fault::bug, "a bootstrap of {} values by {} resamples", values.size(), resamples);
  const uint64_t n = values.size();
  const Draw draw{.purpose = Purpose::eval, .index = EvalIndex::bootstrap};
  std::vector<double> means;
  for (int64_t b = 0; b < resamples; ++b) {
    double sum = 0;
    std::array<uint32_t, 4> words{};
    for (uint64_t i = 0; i < n; ++i) {
      if (i % 4 == 0) words = rng.words(draw, b, static_cast<int64_t>(i / 4));
      sum += values[(words[i % 4] * n) >> 32];
    }
    means.push_back(sum / static_cast<double>(n));
  }
  std::sort(means.begin(), means.end());
  return {point_at(means, 0.025), point_at(means, 0.975)};
}

PairedComparison compare_paired(const std::vector<double>& first, const std::vector<double>& second, const Rng& rng) {
  if (first.size() != second.size()) throw Error(Fault::usage, "{} runs are paired with {}", first.size(), second.size());
  std::vector<double> differences(first.size());
  std::transform(first.begin(), first.end(), second.begin(), differences.begin(), std::minus<>());
  PairedComparison result{
      .mean = summarize(differences).mean, .interval = bootstrap_interval(differences, rng), .p = sign_flip_p(differences), .verdict = {}};
  if (differences.size() < least_for_p)
    result.verdict = few_seeds_verdict(differences);
  else if (result.p < 0.05 && (result.interval.high < 0 || result.interval.low > 0))
    result.verdict = result.mean < 0 ? "lower" : "higher";
  else
    result.verdict = "no difference shown";
  return result;
}

// ½ + the density's integral from 0. With t = √df·tan θ the density is a constant times cos^(df−1) θ, smooth on a finite range,
// so Simpson's rule is as exact as the tests need (1e-10 for df ≥ 1).
double student_t_cdf(double x, double df) {
  constexpr int intervals = 4096;
  const double end = std::atan(std::abs(x) / std::sqrt(df)), width = end / intervals;
  double sum = 0;
  for (int i = 0; i <= intervals; ++i)
    sum += (i == 0 || i == intervals ? 1.0 : i % 2 == 1 ? 4.0 : 2.0) * std::pow(std::cos(width * i), df - 1.0);
  const double constant = std::exp(std::lgamma((df + 1.0) / 2.0) - std::lgamma(df / 2.0)) / std::sqrt(std::numbers::pi);
  return 0.5 + std::copysign(constant * sum * width / 3.0, x);
}

}  // namespace ganymede::evaluate
