// A trained generator taken out of its checkpoint, and samples of it: what `sample` and `eval` share. Evaluation mode; each sample
// depends on its latent and class alone (unless batches are asked for), so neither how many are made at once nor the number of ranks
// matters.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>

#include "checkpoint/checkpoint.hpp"
#include "train/run_config.hpp"

namespace ganymede::train {

struct TrainedGenerator {
  RunConfig config;
  checkpoint::Counters counters;
  std::filesystem::path run;     // empty where a checkpoint folder outside a run was named
  std::filesystem::path folder;  // the checkpoint's
  bool named_checkpoint = false;
  std::shared_ptr<nets::Network> network;
  bool raw = false;
  int64_t classes = 0;  // of a conditional generator; 0: it knows none
};

/// from: a run folder (its newest checkpoint) or a checkpoint folder. raw: the trained weights, not their moving average.
/// Throws Error(Fault::bad_data).
TrainedGenerator open_generator(const std::filesystem::path& from, bool raw, storage::Hdf5Thread& hdf5);

/// Latents of places 0 … count−1: purpose eval, step 0, index 0.
at::Tensor eval_latents(const TrainedGenerator& generator, uint64_t seed, int64_t count);
/// 0, 1, … classes−1, 0, …: int64 [count]; undefined without classes.
at::Tensor cycling_labels(int64_t classes, int64_t count);

/// Whether the generator has running statistics, which batches could replace.
bool has_running_statistics(const TrainedGenerator& generator);

/// z [n,Z], labels int64 [n] where the generator has classes -> float32 [n,C,H,W] or [n,F]. bn_batch: rows of a batch whose own
/// statistics batch norm takes (a published protocol's eval_bn = batch); 0: the running ones.
/// Throws Error(Fault::numeric) for samples that are not finite, Error(Fault::bug) where labels are missing or too many.
at::Tensor generate(const TrainedGenerator& generator, const at::Tensor& z, const at::Tensor& labels = {}, int64_t bn_batch = 0);
/// What `generate` does with a network at hand, in evaluation mode already; values may be anything.
at::Tensor forward_in_parts(nets::Network& network, int64_t classes, const at::Tensor& z, const at::Tensor& labels, int64_t bn_batch = 0);

/// As a shard holds them: uint8 [n,H,W,C] by floor(127.5 x + 128) within 0 … 255, or float32 [n,F].
at::Tensor as_stored(const at::Tensor& samples);

}  // namespace ganymede::train
