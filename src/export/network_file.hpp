// A network as a file that plain PyTorch layers take: what an evaluation pass computes with, not what training stores. Equalized
// weights are multiplied by their scale, spectrally normalized ones divided by σ, and both are called `weight`; all else is as in
// our own files (a Sequential's numbers, running statistics included).
#pragma once
#include "export/safetensors.hpp"
#include "nets/network.hpp"

namespace ganymede::exporting {

/// Tensors are copies; no metadata. The network is in evaluation mode, else Error(Fault::bug): a spectral norm would move on.
TensorFile network_file(nets::Network& network);

/// Fills a network of plain layers. Throws Error(Fault::bad_data) where names, shapes or types are not the network's.
void take_network(const TensorFile& file, nets::Network& network, const std::string& name);

}  // namespace ganymede::exporting
