#include "train/evaluation.hpp"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.hpp"
#include "data/dataset.hpp"
#include "evaluate/checkerboard.hpp"
#include "evaluate/digit_classifier.hpp"
#include "evaluate/draws.hpp"
#include "train/classifier.hpp"
#include "train/generation.hpp"
#include "train/measures.hpp"

namespace ganymede::train {
namespace {

constexpr double least_agreement_on_reals = 0.9;

enum class Kind { mixture, digits, stacks };
const char* name_of(Kind kind) { return kind == Kind::mixture ? "mixture" : kind == Kind::digits ? "digits" : "stacks"; }

Kind kind_of(const data::Dataset& dataset) {
  const auto& manifest = dataset.manifest();
  const bool is_digit_sized = can_be_judged(manifest);
  if (manifest.mixture) return Kind::mixture;
  if (manifest.stacked && is_digit_sized) return Kind::stacks;
  if (is_digit_sized && manifest.shape[2] == 1 && manifest.class_count() == evaluate::digit_classes) return Kind::digits;
  throw Error(Fault::bad_data, "the modes of {} cannot be counted", dataset.folder().string())
      .cause("modes are known of mixtures and stacks that `ganymede data synth` made, and of grey digits of 28 or 32 pixels in ten classes");
}

// Samples and their classes, which are undefined where nobody asked for any.
struct Set {
  at::Tensor samples;  // as stored
  at::Tensor classes;  // int64
};

Set draw_points(const data::MixturePoints& points, const Rng& rng, evaluate::EvalIndex index, int64_t count) {
  const Draw draw{Purpose::eval, 0, index};
  const auto components = points.pick(rng, draw, 0, count);
  return {points.points(rng, draw, 0, components), components.to(at::kLong)};
}

// In the order of the data set, so that each chunk is read once.
Set read_some(data::Dataset& dataset, const Rng& rng, int64_t count) {
  const auto& manifest = dataset.manifest();
  auto chosen = rng.permutation(dataset.samples(), 0, evaluate::EvalIndex::reals, Rng::last_word({Purpose::eval}));
  chosen.resize(static_cast<size_t>(std::min(count, dataset.samples())));
  std::sort(chosen.begin(), chosen.end());
  const auto n = static_cast<int64_t>(chosen.size());
  auto pictures = at::empty({n, manifest.shape[0], manifest.shape[1], manifest.shape[2]}, at::kByte);
  auto labels = at::empty({n}, at::kInt);
  for (int64_t i = 0; i < n; ++i)
    dataset.read(chosen[static_cast<size_t>(i)], 1, pictures.mutable_data_ptr<uint8_t>() + i * dataset.sample_bytes(),
                 reinterpret_cast<uint8_t*>(labels.mutable_data_ptr<int32_t>() + i));
  return {pictures, labels.to(at::kLong)};
}

struct Pair {
  std::vector<Measure> samples, reals;
  int64_t real_count = 0;
};

Pair measure_points(const data::Mixture& mixture, const Set& made, const Rng& rng) {
  const data::MixturePoints points(mixture);
  const auto reals = draw_points(points, rng, evaluate::EvalIndex::reals, made.samples.size(0));
  const auto reference = draw_points(points, rng, evaluate::EvalIndex::reference, made.samples.size(0));
  return {measure_mixture(mixture, made.samples, reference.samples, made.classes, rng),
          measure_mixture(mixture, reals.samples, reference.samples, reals.classes, rng), made.samples.size(0)};
}

std::vector<Measure> measure_judged(Kind kind, const data::Manifest& manifest, const at::Tensor& probabilities, const at::Tensor& classes) {
  if (kind == Kind::stacks) return measure_stacks(probabilities, classes);
  const auto counts = at::tensor(manifest.counts.value(), at::kDouble);
  return measure_digits(probabilities.squeeze(1), counts / counts.sum(), classes);
}

double agreement_in(const std::vector<Measure>& list) {
  return std::find_if(list.begin(), list.end(), [](const Measure& one) { return one.metric == "class_agreement"; })->value;
}

Pair measure_pictures(Kind kind, data::Dataset& dataset, nets::Network& classifier, const Set& made, const Rng& rng) {
  const auto reals = read_some(dataset, rng, made.samples.size(0));
  Pair pair;
  pair.real_count = reals.samples.size(0);
  pair.reals = measure_judged(kind, dataset.manifest(), judge_pictures(classifier, reals.samples), reals.classes);
  if (const double known = agreement_in(pair.reals); known < least_agreement_on_reals)
    throw Error(Fault::bad_data, "the classifier names only {:.1f} % of the pictures of {} rightly", 100.0 * known,
                dataset.folder().string())
        .cause("it was trained on other pictures")
        .remedy("train one on these with `ganymede classifier train`, and name it with --classifier");
  pair.samples = measure_judged(kind, dataset.manifest(), judge_pictures(classifier, made.samples), made.classes);
  const auto add_checkerboard = [](std::vector<Measure>& list, const at::Tensor& pictures) {
    list.push_back({"checkerboard", evaluate::checkerboard(pictures.permute({0, 3, 1, 2})), "period 2"});
  };
  add_checkerboard(pair.reals, reals.samples), add_checkerboard(pair.samples, made.samples);
  return pair;
}

std::vector<Figure> join(const Pair& pair, const std::string& protocol) {
  std::vector<Figure> figures;
  for (const auto& one : pair.samples) {
    Figure figure{one.metric, one.value, {}, protocol + "; " + one.how};
    for (const auto& real : pair.reals)
      if (real.metric == one.metric) figure.of_reals = real.value;
    figures.push_back(std::move(figure));
  }
  return figures;
}

}  // namespace

Evaluation evaluate_modes(const EvaluationOptions& options, storage::Hdf5Thread& hdf5) {
  const auto generator = open_generator(options.from, options.raw, hdf5);
  if (options.bn_batch > 0 && !has_running_statistics(generator))
    throw Error(Fault::bad_data, "the generator of {} has no batch norm whose statistics a batch could give", generator.folder.string())
        .remedy("leave --bn-batch out");
  data::Dataset dataset(options.data.empty() ? std::filesystem::path(generator.config.data.path) : options.data, hdf5);
  if (dataset.manifest().sha256 != generator.counters.dataset_sha256)
    throw Error(Fault::bad_data, "{} is not the data set that {} was trained on", dataset.folder().string(), generator.folder.string())
        .cause("its manifest has the SHA-256 {}, the checkpoint names {}", dataset.manifest().sha256, generator.counters.dataset_sha256)
        .remedy("name the right one with --data");
  const auto kind = kind_of(dataset);
  LoadedClassifier classifier;
  if (kind != Kind::mixture) classifier = load_good_classifier(options.classifier);  // before the work

  const uint64_t seed = options.seed.value_or(generator.config.run.seed);
  const Rng rng(seed);
  const auto labels = cycling_labels(generator.classes, options.samples);
  const auto latents = eval_latents(generator, seed, options.samples);
  const Set made{as_stored(generate(generator, latents, labels, options.bn_batch)), labels};
  const auto pair = kind == Kind::mixture ? measure_points(*dataset.manifest().mixture, made, rng)
                                          : measure_pictures(kind, dataset, *classifier.network, made, rng);
  // No seed: figures of several seeds are what is to be compared.
  const auto bn = options.bn_batch > 0 ? fmt::format("batch{}", options.bn_batch) : std::string("running");
  const auto protocol = fmt::format("samples={} weights={} bn={}{} reals={} data={}{}", options.samples, options.raw ? "raw" : "average", bn,
                                    labels.defined() ? " classes=cycling" : "", pair.real_count, dataset.manifest().sha256,
                                    kind == Kind::mixture ? "" : " classifier=" + classifier.sha256);
  return {.run = generator.named_checkpoint ? std::filesystem::path() : generator.run,
          .checkpoint = generator.folder,
          .data = dataset.folder(),
          .data_kind = name_of(kind),
          .step = generator.counters.step,
          .samples = options.samples,
          .seed = seed,
          .raw = options.raw,
          .figures = join(pair, protocol)};
}

}  // namespace ganymede::train
