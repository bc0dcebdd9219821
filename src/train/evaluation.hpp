// Figures of quality for a trained generator, each with its protocol and beside the same figure for real data, which is its floor.
//   modes   mixtures (the manifest's formula): covered modes, TV and valid share (Sandlund), PacGAN's modes, quality and reverse KL,
//           spread within modes, fine-grid TV, sliced W2. Reals: fresh points of the formula; W2 is taken to a second set of them.
//           digits (grey 28 or 32 pixels, ten classes): shares, covered digits, TV, the same with confidence.
//           digits and stacks: the share of checkerboards (period 2).
//           stacks (formula stacked_mnist): modes and KL of 1,000 classes, the same with confidence.
// Fixed latents (purpose eval, step 0, index 0). A conditional generator makes its classes in turn, and class_agreement is the share that
// shows the class asked for (mixtures: nearest centre). Pictures are made bytes first, as reals are; 32 pixels are brought to 28 by the
// antialiased bilinear filter that `data build --size` uses. Reals of pictures: as many as samples, or all, drawn without replacement.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "storage/hdf5_thread.hpp"

namespace ganymede::train {

struct EvaluationOptions {
  std::filesystem::path from;  // a run or checkpoint folder
  std::filesystem::path data;  // empty: the data set that the run names
  std::filesystem::path classifier;
  int64_t samples = 10'000;
  std::optional<uint64_t> seed;  // the run's own by default
  bool raw = false;
  int64_t bn_batch = 0;  // latents whose own statistics batch norm takes; 0: the running ones
};

struct Figure {
  std::string metric;
  double value = 0;               // NaN where it has no value
  std::optional<double> of_reals;
  std::string protocol;
};

struct Evaluation {
  std::filesystem::path run, checkpoint, data;  // run: only where one was named
  std::string data_kind;                        // "mixture", "digits" or "stacks"
  int64_t step = 0, samples = 0;
  uint64_t seed = 0;
  bool raw = false;
  std::vector<Figure> figures;
};

/// Throws Error(Fault::bad_data): no run, no data set or another one than the run was trained on, a data set whose modes cannot be
/// counted, a generator without batch norm where bn_batch is given, a classifier that is missing, below 99 % on its test set, or that
/// does not know the data set's own pictures.
Evaluation evaluate_modes(const EvaluationOptions& options, storage::Hdf5Thread& hdf5);

}  // namespace ganymede::train
