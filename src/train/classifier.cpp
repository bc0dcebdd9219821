#include "train/classifier.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>

#include "core/error.hpp"
#include "core/version.hpp"
#include "data/resize.hpp"
#include "data/shard_format.hpp"
#include "evaluate/digit_classifier.hpp"
#include "gan/optimizer.hpp"
#include "parallel/flat_network.hpp"
#include "storage/files.hpp"
#include "storage/sha256.hpp"

namespace ganymede::train {
namespace {

constexpr int64_t held_out_part = 6;  // one in six
constexpr int64_t most_file_bytes = int64_t{64} << 20;

struct Digits {
  at::Tensor pictures;  // uint8 [n,28,28]
  at::Tensor labels;    // int64 [n]
  std::string sha256;   // of the manifest
};

Digits read_digits(const std::filesystem::path& folder, storage::Hdf5Thread& hdf5) {
  data::Dataset dataset(folder, hdf5);
  const auto& manifest = dataset.manifest();
  const std::vector<int64_t> expected = {evaluate::digit_side, evaluate::digit_side, 1};
  if (manifest.shape != expected || manifest.class_count() != evaluate::digit_classes)
    throw Error(Fault::bad_data, "{} holds samples of {} and {} classes", folder.string(), fmt::join(manifest.shape, "x"),
                manifest.class_count())
        .cause("the digit classifier reads grey pictures of 28x28 with ten classes")
        .remedy("name a data set as `ganymede data build datasets/mnist OUT` makes");
  const int64_t n = dataset.samples();
  auto pictures = at::empty({n, evaluate::digit_side, evaluate::digit_side}, at::kByte);
  auto labels = at::empty({n}, at::kInt);
  dataset.read(0, n, pictures.mutable_data_ptr<uint8_t>(), reinterpret_cast<uint8_t*>(labels.mutable_data_ptr<int32_t>()));
  return {pictures, labels.to(at::kLong), manifest.sha256};
}

double share_right(nets::Network& classifier, const at::Tensor& pictures, const at::Tensor& labels) {
  const auto named = evaluate::judge_digits(classifier, pictures).probabilities.argmax(1);
  return named.eq(labels).to(at::kDouble).mean().item<double>();
}

class Training {
 public:
  explicit Training(const ClassifierOptions& options)
      : options_(options), rng_(options.seed), network_(evaluate::make_digit_classifier()) {
    evaluate::initialize_digit_classifier(*network_, rng_);
    flat_ = std::make_unique<parallel::FlatNetwork>(network_, true);
    gan::OptimizerConfig adam;
    adam.lr = 1e-3;
    adam.beta1 = 0.9;
    optimizer_ = std::make_unique<gan::Optimizer>(adam, flat_->weights());
  }

  double run_epoch(int64_t epoch, const Digits& digits, int64_t n) {
    network_->train();
    const auto order = rng_.permutation(n, static_cast<uint32_t>(epoch), 0, Rng::last_word({Purpose::shuffle}));
    const auto rows = at::tensor(order);
    double sum = 0;
    for (int64_t first = 0; first < n; first += options_.batch) {
      const auto chosen = rows.slice(0, first, std::min(first + options_.batch, n));
      nets::Pass pass;
      pass.rng = &rng_;
      pass.step = optimizer_->steps_done();
      const auto logits = network_->forward(evaluate::digit_input(digits.pictures.index_select(0, chosen)), pass);
      const auto loss = at::cross_entropy_loss(logits, digits.labels.index_select(0, chosen));
      flat_->weights().gradients.zero_();
      loss.backward();
      optimizer_->step();
      flat_->mark_updated();
      const auto value = loss.item<double>();
      if (!std::isfinite(value)) throw Error(Fault::numeric, "the classifier's loss is not finite in epoch {}", epoch + 1);
      sum += value * static_cast<double>(chosen.size(0));
    }
    return sum / static_cast<double>(n);
  }

  nets::Network& network() { return *network_; }
  void keep() { kept_ = flat_->weights().parameters.clone(); }
  void take_kept() {
    at::NoGradGuard no_graph;
    flat_->weights().parameters.copy_(kept_);
    flat_->mark_updated();
  }

 private:
  ClassifierOptions options_;
  Rng rng_;
  std::shared_ptr<nets::Network> network_;
  std::unique_ptr<parallel::FlatNetwork> flat_;
  std::unique_ptr<gan::Optimizer> optimizer_;
  at::Tensor kept_;
};

std::optional<double> number_in(const std::map<std::string, std::string>& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(found->second.c_str(), &end);
  return end != found->second.c_str() && *end == '\0' ? std::optional(value) : std::nullopt;
}

}  // namespace

ClassifierResult train_classifier(const ClassifierOptions& options, storage::Hdf5Thread& hdf5,
                                  const std::function<void(const ClassifierEpoch&)>& tell) {
  const auto digits = read_digits(options.data, hdf5);
  std::optional<Digits> test;
  if (!options.test.empty()) test = read_digits(options.test, hdf5);  // before the work, not after it
  const int64_t n = digits.labels.numel(), held_out = n / held_out_part, trained = n - held_out;
  if (held_out < 2) throw Error(Fault::bad_data, "{} holds {} pictures: too few to hold any out", options.data.string(), n);
  const auto pictures = digits.pictures.slice(0, trained), labels = digits.labels.slice(0, trained);

  Training training(options);
  ClassifierResult result;
  for (int64_t epoch = 0; epoch < options.epochs; ++epoch) {
    const double loss = training.run_epoch(epoch, digits, trained);
    const double accuracy = share_right(training.network(), pictures, labels);
    if (result.best_epoch == 0 || accuracy > result.accuracy) {
      result.best_epoch = epoch + 1;
      result.accuracy = accuracy;
      training.keep();
    }
    tell({epoch + 1, loss, accuracy});
  }
  training.take_kept();
  result.test_accuracy = test ? share_right(training.network(), test->pictures, test->labels) : std::numeric_limits<double>::quiet_NaN();

  auto file = evaluate::digit_classifier_file(training.network());
  file.metadata = {{"accuracy", fmt::format("{}", result.accuracy)},
                   {"seed", std::to_string(options.seed)},
                   {"epochs", std::to_string(options.epochs)},
                   {"batch", std::to_string(options.batch)},
                   {"best_epoch", std::to_string(result.best_epoch)},
                   {"dataset_sha256", digits.sha256},
                   {"program", "ganymede " + program_version()}};
  if (test) file.metadata.insert({{"test_accuracy", fmt::format("{}", result.test_accuracy)}, {"test_dataset_sha256", test->sha256}});
  const auto bytes = exporting::to_safetensors(file);
  storage::write_file_atomically(options.output, bytes);
  result.sha256 = storage::sha256_text(bytes);
  return result;
}

LoadedClassifier load_classifier(const std::filesystem::path& path) {
  const auto bytes = storage::read_text(path, most_file_bytes);
  const auto file = exporting::from_safetensors(bytes, path.string());
  LoadedClassifier loaded;
  loaded.network = evaluate::digit_classifier_of(file, path.string());
  loaded.sha256 = storage::sha256_text(bytes);
  auto accuracy = number_in(file.metadata, "test_accuracy");
  if (!accuracy) accuracy = number_in(file.metadata, "accuracy");
  loaded.accuracy = accuracy.value_or(std::numeric_limits<double>::quiet_NaN());
  return loaded;
}

LoadedClassifier load_good_classifier(const std::filesystem::path& file) {
  auto classifier = load_classifier(file);
  if (!(classifier.accuracy >= least_classifier_accuracy))
    throw Error(Fault::bad_data, "the classifier {} was right on {:.2f} % of its test pictures", file.string(), 100.0 * classifier.accuracy)
        .cause("figures need one that is right on at least {:.0f} %", 100.0 * least_classifier_accuracy)
        .remedy("use datasets/mnist/classifier.safetensors, or train one with `ganymede classifier train`");
  return classifier;
}

bool can_be_judged(const data::Manifest& manifest) {
  return manifest.type == data::format::image_type && manifest.shape[0] == manifest.shape[1] &&
         (manifest.shape[0] == evaluate::digit_side || manifest.shape[0] == 32);
}

at::Tensor judge_pictures(nets::Network& classifier, const at::Tensor& pictures) {
  const auto fitting = data::fit_to_square(pictures, evaluate::digit_side, data::Fit::resize);
  const auto planes = fitting.permute({0, 3, 1, 2}).contiguous();
  const auto judged = evaluate::judge_digits(classifier, planes.view({-1, evaluate::digit_side, evaluate::digit_side}));
  return judged.probabilities.view({planes.size(0), planes.size(1), evaluate::digit_classes});
}

double classifier_accuracy(nets::Network& classifier, const std::filesystem::path& data, storage::Hdf5Thread& hdf5) {
  const auto digits = read_digits(data, hdf5);
  return share_right(classifier, digits.pictures, digits.labels);
}

}  // namespace ganymede::train
