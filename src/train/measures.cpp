#include "train/measures.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "evaluate/digit_modes.hpp"
#include "evaluate/distances.hpp"
#include "evaluate/fine_grid.hpp"
#include "evaluate/pairwise.hpp"
#include "evaluate/within_modes.hpp"

namespace ganymede::train {
namespace {

constexpr int64_t pacgan_samples = 2500;

at::Tensor centres_of(const data::Mixture& mixture) {
  std::vector<at::Tensor> rows;
  for (const auto& centre : mixture.centres) rows.push_back(at::tensor(centre, at::kDouble));
  return at::stack(rows);
}

// A component of weight 0 is no mode.
evaluate::MixtureModel model_of(const data::Mixture& mixture) {
  const auto weights = at::tensor(mixture.shares(), at::kDouble);
  const auto kept = weights.nonzero().squeeze(1);
  return {centres_of(mixture).index_select(0, kept), at::tensor(mixture.sd, at::kDouble).index_select(0, kept),
          weights.index_select(0, kept)};
}

double count(int64_t value) { return static_cast<double>(value); }

void add_agreement(std::vector<Measure>& list, const at::Tensor& shown, const at::Tensor& asked, const char* how) {
  if (asked.defined()) list.push_back({"class_agreement", shown.eq(asked).to(at::kDouble).mean().item<double>(), how});
}

}  // namespace

std::vector<Measure> measure_mixture(const data::Mixture& mixture, const at::Tensor& points, const at::Tensor& reference,
                                     const at::Tensor& classes, const Rng& rng) {
  const auto model = model_of(mixture);
  const auto sandlund = evaluate::sandlund(evaluate::mode_histogram(points, model), model.weights);
  std::vector<Measure> list = {{"modes_1pct", count(sandlund.covered_at_1_percent), "mass within 3 sd >= 0.01"},
                               {"modes_quarter", count(sandlund.covered_at_quarter), "mass within 3 sd >= weight/4"},
                               {"tv", sandlund.total_variation, "mass within 3 sd; the rest is one more bin"},
                               {"valid", sandlund.valid_share, "within 3 sd"}};
  const int64_t few = std::min(pacgan_samples, points.size(0));
  const auto pacgan = evaluate::pacgan(evaluate::mode_histogram(points.narrow(0, 0, few), model), model.weights);
  const auto first = fmt::format("first {} samples; within 3 sd", few);
  list.insert(list.end(), {{"pacgan_modes", count(pacgan.modes), first + ", at least 1"},
                           {"pacgan_modes_quarter", count(pacgan.modes_at_quarter), first + ", mass >= weight/4"},
                           {"pacgan_hq", pacgan.high_quality, first},
                           {"pacgan_reverse_kl", pacgan.reverse_kl, first}});
  const auto within = evaluate::within_modes(points, model);
  const auto of_modes = fmt::format("valid samples of modes with >= {}", evaluate::least_samples_of_a_mode);
  list.insert(list.end(), {{"sd_ratio_mean", within.mean_sd_ratio, of_modes},
                           {"sd_ratio_min", within.min_sd_ratio, of_modes},
                           {"volume_ratio_mean", within.mean_volume_ratio, of_modes},
                           {"volume_ratio_min", within.min_volume_ratio, of_modes}});
  if (const auto box = evaluate::fine_grid_box(model))
    list.push_back({"fine_grid_tv", evaluate::fine_grid_tv(points, model, *box),
                    fmt::format("cells of sd/2 over [{}, {}]^2", box->low, box->high)});
  list.push_back({"sliced_w2", evaluate::sliced_wasserstein(points, reference, rng).w2,
                  fmt::format("{} directions, to as many reals", evaluate::sliced_directions)});
  list.push_back({"too_sharp", count(evaluate::is_too_sharp(sandlund.valid_share, points.size(0), points.size(1), within.mean_sd_ratio)),
                  "valid 3 standard errors above real data, or mean sd ratio < 0.8"});
  add_agreement(list, evaluate::nearest_centre(points, centres_of(mixture)).index, classes, "nearest centre");
  return list;
}

std::vector<Measure> measure_digits(const at::Tensor& probabilities, const at::Tensor& frequencies, const at::Tensor& classes) {
  const auto score = evaluate::digit_score(probabilities, frequencies);
  const auto sure = fmt::format("confidence >= {}", evaluate::confident);
  std::vector<Measure> list = {{"digits_1pct", count(score.covered_at_1_percent), "share >= 0.01"},
                               {"digits_quarter", count(score.covered_at_quarter), "share >= 1/40"},
                               {"tv", score.total_variation, "against the training frequencies"},
                               {"tv_confident", score.confident_total_variation,
                                "against the training frequencies, " + sure + "; the rest is one more bin"},
                               {"rejected", score.rejected, "not " + sure}};
  for (int64_t k = 0; k < frequencies.size(0); ++k) list.push_back({fmt::format("share_{}", k), score.shares[k].item<double>(), "argmax"});
  add_agreement(list, probabilities.argmax(1), classes, "argmax");
  return list;
}

std::vector<Measure> measure_stacks(const at::Tensor& probabilities, const at::Tensor& classes) {
  const auto score = evaluate::stack_score(probabilities);
  const auto sure = fmt::format("stacks of three digits with confidence >= {}", evaluate::confident);
  std::vector<Measure> list = {{"modes", count(score.modes), "argmax of each channel, of 1000"},
                               {"kl", score.kl, "to 1000 equal classes, argmax of each channel"},
                               {"modes_confident", count(score.confident_modes), sure},
                               {"kl_confident", score.confident_kl, sure},
                               {"accepted", score.accepted, sure}};
  add_agreement(list, evaluate::stack_class(probabilities), classes, "argmax of each channel");
  return list;
}

}  // namespace ganymede::train
