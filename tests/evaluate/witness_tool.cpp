// Prints the figures of src/evaluate for points that the witness wrote, a line of name and value each.
//   evaluate_witness_tool mixture POINTS CENTRES SD LOW HIGH     a file of points is raw float64, two numbers a point
//   evaluate_witness_tool pair R Y FEATURES SEED
//   evaluate_witness_tool evidence MEAN SD COUNT VALUE…          a published result, then our runs
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "core/error.hpp"
#include "evaluate/distances.hpp"
#include "evaluate/evidence.hpp"
#include "evaluate/fine_grid.hpp"
#include "evaluate/mixture_modes.hpp"
#include "evaluate/two_sample.hpp"
#include "evaluate/within_modes.hpp"

namespace {

using namespace ganymede;
using namespace ganymede::evaluate;
using Arguments = std::vector<std::string>;

void print(const char* name, double value) { fmt::print("{} {:.17g}\n", name, value); }

at::Tensor read_points(const std::string& path, int64_t features) {
  const auto numbers = static_cast<int64_t>(std::filesystem::file_size(path) / sizeof(double));
  auto points = at::empty({numbers / features, features}, at::kDouble);
  std::ifstream file(path, std::ios::binary);
  if (!file.read(static_cast<char*>(points.data_ptr()), static_cast<std::streamsize>(points.nbytes())))
    throw Error(Fault::io, "cannot read {}", path);
  return points;
}

void judge_mixture(const Arguments& a) {
  const auto points = read_points(a.at(0), 2), centres = read_points(a.at(1), 2);
  const auto k = centres.size(0);
  const double sd = std::stod(a.at(2)), weight = 1.0 / static_cast<double>(k);
  const MixtureModel mixture{centres, at::full({k}, sd, at::kDouble), at::full({k}, weight, at::kDouble)};
  const auto histogram = mode_histogram(points, mixture);
  const auto ours = sandlund(histogram, mixture.weights);
  const auto theirs = pacgan(histogram, mixture.weights);
  const auto within = within_modes(points, mixture);
  print("tv", ours.total_variation);
  print("valid", ours.valid_share);
  print("covered", static_cast<double>(ours.covered_at_1_percent));
  print("covered_quarter", static_cast<double>(ours.covered_at_quarter));
  print("reverse_kl", theirs.reverse_kl);
  print("modes", static_cast<double>(theirs.modes));
  print("fine_grid", fine_grid_tv(points, mixture, {std::stod(a.at(3)), std::stod(a.at(4))}));
  print("sd_ratio", within.mean_sd_ratio);
  print("min_sd_ratio", within.min_sd_ratio);
  print("volume_ratio", within.mean_volume_ratio);
  print("min_volume_ratio", within.min_volume_ratio);
}

void judge_pair(const Arguments& a) {
  const auto features = std::stoll(a.at(2));
  const auto r = read_points(a.at(0), features), y = read_points(a.at(1), features);
  for (const auto kernel : {Kernel::gaussian, Kernel::polynomial}) {
    const auto s = two_sample(r, y, kernel);
    const std::string suffix = kernel == Kernel::gaussian ? "" : "_poly";
    print(("mmd2" + suffix).c_str(), s.mmd2);
    print(("effect" + suffix).c_str(), s.effect);
    print(("t" + suffix).c_str(), s.t);
  }
  const auto sliced = sliced_wasserstein(r, y, Rng(std::stoull(a.at(3))));
  print("sliced_w1", sliced.w1);
  print("sliced_w2", sliced.w2);
  const auto line = wasserstein_on_line(r.select(1, 0), y.select(1, 0));
  print("emd", line.w1);
  const auto kl = histogram_kl(y.select(1, 0), r.select(1, 0), {.low = -3.0, .high = 3.0, .width = 0.25});
  print("histogram_kl", kl.kl);
  print("outside", kl.outside);
}

void judge_evidence(const Arguments& a) {
  const Runs published{std::stod(a.at(0)), std::stod(a.at(1)), std::stoll(a.at(2))};
  std::vector<double> values, differences;
  for (size_t i = 3; i < a.size(); ++i) values.push_back(std::stod(a[i])), differences.push_back(values.back() - published.mean);
  print("consistent", consistent(summarize(values), published));
  print("equivalent", equivalent(values, published));
  print("sign_flip", sign_flip_p(differences));
}

}  // namespace

int main(int count, char** arguments) try {
  const Arguments a(arguments + std::min(count, 2), arguments + count);
  const std::string what = count > 1 ? arguments[1] : "";
  if (what == "mixture") judge_mixture(a);
  else if (what == "pair") judge_pair(a);
  else if (what == "evidence") judge_evidence(a);
  else throw Error(Fault::usage, "usage: evaluate_witness_tool mixture|pair|evidence …");
} catch (const Error& e) {
  fmt::print(stderr, "{}\n", e.what());
  return e.exit_code();
}
