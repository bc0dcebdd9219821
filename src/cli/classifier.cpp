// ganymede classifier: the network that counts digits in generated pictures.
#include <cmath>
#include <cstdio>

#include "cli/commands.hpp"
#include "core/log.hpp"
#include "train/classifier.hpp"

namespace ganymede::cli {
namespace {

void warn_if_weak(double accuracy) {
  if (!(accuracy >= train::least_classifier_accuracy))
    log::warning("right on {:.2f} %, which is less than the {:.0f} % that `ganymede eval` asks of a classifier", 100.0 * accuracy,
                 100.0 * train::least_classifier_accuracy);
}

int train_one(const train::ClassifierOptions& options) {
  if (!is_first_process()) return 0;
  storage::Hdf5Thread hdf5;
  const auto result = train::train_classifier(options, hdf5, [&](const train::ClassifierEpoch& e) {
    log::info("epoch {} of {}: loss {:.4f}, right on {:.2f} % of the held-out pictures", e.epoch, options.epochs, e.loss,
              100.0 * e.accuracy);
  });
  const bool is_tested = !std::isnan(result.test_accuracy);
  warn_if_weak(is_tested ? result.test_accuracy : result.accuracy);
  std::printf("sha256 %s\nheld-out accuracy %.4f (epoch %lld)\n", result.sha256.c_str(), result.accuracy,
              static_cast<long long>(result.best_epoch));
  if (is_tested) std::printf("test accuracy %.4f\n", result.test_accuracy);
  return 0;
}

void add_train_command(CLI::App& classifier, Program& program) {
  struct Options {
    train::ClassifierOptions train;
    std::string data, output, test;
  };
  auto options = std::make_shared<Options>();
  auto* command = classifier.add_subcommand("train", "train the digit classifier");
  command->add_option("data", options->data, "a data set of grey 28 x 28 digits with labels; its last sixth is held out")->required();
  command->add_option("output", options->output, "the .safetensors file to write")->required();
  command->add_option("--test", options->test, "a data set of test digits, for the accuracy that goes into the file");
  command->add_option("--epochs", options->train.epochs, "how often each digit is seen")->check(CLI::Range(1, 1000))->capture_default_str();
  command->add_option("--batch", options->train.batch, "digits a step")->check(CLI::Range(1, 65'536))->capture_default_str();
  command->add_option("--seed", options->train.seed, "of weights, order and dropout")->capture_default_str();
  command->footer("Example: ganymede classifier train build/shards/mnist-28 classifier.safetensors --test build/shards/mnist-28-test");
  command->callback([options, &program] {
    program.action = [options] {
      options->train.data = options->data;
      options->train.output = options->output;
      options->train.test = options->test;
      return train_one(options->train);
    };
  });
}

void add_test_command(CLI::App& classifier, Program& program) {
  struct Options {
    std::string file, data;
  };
  auto options = std::make_shared<Options>();
  auto* command = classifier.add_subcommand("test", "how often a classifier is right");
  command->add_option("file", options->file, "a classifier's .safetensors file")->required();
  command->add_option("data", options->data, "a data set of grey 28 x 28 digits with labels")->required();
  command->footer("Example: ganymede classifier test datasets/mnist/classifier.safetensors build/shards/mnist-28-test");
  command->callback([options, &program] {
    program.action = [options] {
      if (!is_first_process()) return 0;
      storage::Hdf5Thread hdf5;
      const auto loaded = train::load_classifier(options->file);
      const double accuracy = train::classifier_accuracy(*loaded.network, options->data, hdf5);
      warn_if_weak(accuracy);
      std::printf("sha256 %s\naccuracy %.4f\n", loaded.sha256.c_str(), accuracy);
      return 0;
    };
  });
}

}  // namespace

void add_classifier(CLI::App& app, Program& program) {
  auto* command = app.add_subcommand("classifier", "the network that counts digits in generated pictures")->require_subcommand(1);
  command->footer("Example: ganymede classifier test datasets/mnist/classifier.safetensors build/shards/mnist-28-test");
  add_train_command(*command, program);
  add_test_command(*command, program);
}

}  // namespace ganymede::cli
