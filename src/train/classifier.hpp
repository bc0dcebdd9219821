// Trains the digit classifier of evaluate/digit_classifier.hpp once, keeps it as one safetensors file, and reads such files.
// Adam 1e-3 (0.9, 0.999), cross entropy; the last sixth of the data (10,000 of MNIST's 60,000) is held out, and the weights of the
// epoch that is most often right there are kept. Order: the permutation keyed (epoch, 0, purpose shuffle). On one thread the same
// seed and data give the same file, byte for byte.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "data/dataset.hpp"
#include "nets/network.hpp"
#include "storage/hdf5_thread.hpp"

namespace ganymede::train {

/// On a test set, without which a classifier says nothing about generated digits (published: 0.9914).
inline constexpr double least_classifier_accuracy = 0.99;

struct ClassifierOptions {
  std::filesystem::path data, output;
  std::filesystem::path test;  // a data set of test images; empty: none
  int64_t epochs = 10;
  int64_t batch = 128;
  uint64_t seed = 0;
};

struct ClassifierEpoch {
  int64_t epoch = 0;  // from 1
  double loss = 0;    // mean over the epoch
  double accuracy = 0;  // on the held-out part
};

struct ClassifierResult {
  int64_t best_epoch = 0;
  double accuracy = 0;       // on the held-out part
  double test_accuracy = 0;  // NaN without test images
  std::string sha256;        // of the file
};

/// Writes options.output whole or not at all. Its metadata: accuracy, test_accuracy, seed, epochs, batch, best_epoch, dataset_sha256
/// and test_dataset_sha256 (of manifest.json), program. Throws Error: bad_data where a data set does not hold grey 28x28 pictures of
/// ten classes, or fewer than 12 of them.
ClassifierResult train_classifier(const ClassifierOptions& options, storage::Hdf5Thread& hdf5,
                                  const std::function<void(const ClassifierEpoch&)>& tell);

struct LoadedClassifier {
  std::shared_ptr<nets::Network> network;  // in evaluation mode
  std::string sha256;                      // of the file
  double accuracy = 0;                     // on test images where the file says so, else on the held-out part; NaN: it does not say
};
/// Throws Error(Fault::bad_data).
LoadedClassifier load_classifier(const std::filesystem::path& file);

/// As load_classifier, and at least least_classifier_accuracy: one that figures may rest on.
LoadedClassifier load_good_classifier(const std::filesystem::path& file);
/// Whether pictures of a data set have the size of digits: squares of 28 pixels, or of 32, which are brought to 28.
bool can_be_judged(const data::Manifest& manifest);
/// Each channel as a digit of its own: uint8 [n,H,W,C] -> probabilities float64 [n,C,10].
at::Tensor judge_pictures(nets::Network& classifier, const at::Tensor& pictures);

/// The share of the pictures of a data set whose class is named rightly.
double classifier_accuracy(nets::Network& classifier, const std::filesystem::path& data, storage::Hdf5Thread& hdf5);

}  // namespace ganymede::train
