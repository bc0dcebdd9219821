// The generators and discriminators that a recipe can name.
// "dcgan": Radford et al. 2016, "Unsupervised Representation Learning with DCGANs", in the layout of PyTorch's example, for
//   28 (the MNIST preset), 32, 64 and 128 pixels. "mlp": fully connected, for points.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "nets/network.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::nets {

enum class Kind { dcgan, mlp };

struct NetworkConfig {
  Kind kind = Kind::dcgan;
  int64_t width = 64;  // dcgan: filters at the widest resolution; mlp: units of a hidden layer
  int64_t depth = 2;   // mlp: hidden layers
};
void describe(config::Fields& fields, NetworkConfig& c);

enum class Prior { normal, uniform };

struct LatentConfig {
  int64_t size = 100;  // Z
  Prior prior = Prior::normal;
};
void describe(config::Fields& fields, LatentConfig& c);

/// What a data set holds: images (height, width, channels) or points (features).
struct SampleShape {
  bool is_points = false;
  int64_t height = 0, width = 0, channels = 0, features = 0;
};

/// Throw Error(Fault::recipe) where the network cannot make or read samples of this shape.
std::shared_ptr<Network> make_generator(const NetworkConfig& config, const LatentConfig& latent, const SampleShape& shape);
std::shared_ptr<Network> make_discriminator(const NetworkConfig& config, const SampleShape& shape);

/// Latents for `rows` places of the global batch from `first_place`: [rows, Z] in `type`, rounded once.
at::Tensor latents(const Rng& rng, const LatentConfig& config, const Draw& draw, int64_t first_place, int64_t rows, at::ScalarType type);

}  // namespace ganymede::nets
