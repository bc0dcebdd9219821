// A network of a checkpoint, taken out for other programs: export/network_file.hpp with what must be known to use it.
#pragma once
#include <filesystem>

#include "export/safetensors.hpp"
#include "gan/hooks.hpp"
#include "storage/hdf5_thread.hpp"

namespace ganymede::train {

struct NetworkExport {
  std::filesystem::path from;  // a run folder (its newest checkpoint) or a checkpoint folder
  gan::Player network = gan::Player::generator;
  bool raw = false;  // of the generator: the trained weights, not their moving average
};

/// Metadata, all text: format ("pt", by which readers know PyTorch's names and layouts), content, version, program, network, weights,
/// kind, layers (a line each), step, recipe_sha256, dataset_sha256, sample_shape ("28x28x1", or the features of a point), latent, prior,
/// latent_normalize, conditional, classes, joined (samples that D judges together), precision.
/// Throws Error(Fault::bad_data).
exporting::TensorFile export_network(const NetworkExport& wanted, storage::Hdf5Thread& hdf5);

}  // namespace ganymede::train
