// The keys of [generator] and [discriminator], what they mean where they are not given, and which of them exclude each other.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "nets/conditioning.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::nets {

/// dcgan5x5, crippled: the networks of published benchmarks on stacked digits (stacked_digits.hpp).
enum class Kind { dcgan, mlp, dcgan5x5, crippled };
enum class Activation { by_kind, relu, leaky_relu, elu, maxout };
/// What stands between a hidden layer and its activation; pixel: behind the activation (pixel_norm.hpp).
enum class Norm { by_kind, batch, none, pixel, virtual_batch, conditional };
enum class Upsampling { transposed, nearest, bilinear };
enum class Down { stride, average, largest };
enum class Head { flatten, average, sum };

/// What a data set holds: images (height, width, channels) or points (features).
struct SampleShape {
  bool is_points = false;
  int64_t height = 0, width = 0, channels = 0, features = 0;
};

struct NetworkConfig {
  Kind kind = Kind::dcgan;
  int64_t width = 64;  // dcgan: filters at the widest resolution; mlp: units of a hidden layer
  int64_t depth = 2;   // mlp: hidden layers
  enum class Start { by_kind, he, normal } start = Start::by_kind;  // mlp: first weights; by_kind is PyTorch's
  bool bias_before_norm = true;  // a bias that batch norm removes is counted and kept, at 0, as published networks have it
  double norm_momentum = 0.1;    // share of a batch in batch norm's running statistics
};

struct GeneratorConfig : NetworkConfig {
  Activation activation = Activation::by_kind;  // of hidden layers; mlp: leaky_relu, else relu
  double slope = 0.2;                           // leaky_relu's
  Upsampling upsample = Upsampling::transposed;
  Norm norm = Norm::by_kind;  // mlp: none, else batch
  bool equalized_lr = false;
};
void describe(config::Fields& fields, GeneratorConfig& c);

struct DiscriminatorConfig : NetworkConfig {
  Activation activation = Activation::leaky_relu;
  double slope = 0.2;
  int64_t maxout_pieces = 5;  // maxout: linear pieces of a unit
  Down down = Down::stride;
  Head head = Head::flatten;
  Norm norm = Norm::by_kind;  // dcgan of 28 pixels and mlp: none; else batch
  double dropout = 0.0;       // probability to drop, behind each activation but the last; 0: off
  bool dropout_channel = false;
  int64_t minibatch_stddev = 0;       // samples of a group (minibatch_stddev.hpp); 0: off, 1: the whole batch
  int64_t minibatch_stddev_maps = 1;  // maps that it appends
  int64_t minibatch_discrimination = 0;       // features that it appends (minibatch_discrimination.hpp); 0: off
  bool minibatch_discrimination_plain = false;  // kernels N(0,1) without scale and bias
  int64_t minibatch_discrimination_size = 5;  // numbers that make up the place of a sample for each
  bool spectral_norm = false;
  int64_t spectral_norm_iterations = 1;  // power iterations of a training forward
  bool equalized_lr = false;
};
void describe(config::Fields& fields, DiscriminatorConfig& c);

/// What `by_kind` stands for, and any other value for itself.
Activation activation_of(const GeneratorConfig& c);
Norm norm_of(const GeneratorConfig& c);
Norm norm_of(const DiscriminatorConfig& c, const SampleShape& shape);

/// Side of the kernels of G's upsampling where it is no multiple of the stride (Odena et al. 2016), else 0.
int64_t uneven_kernel(const GeneratorConfig& c);

/// A combination that no network can be built from, seen from the recipe alone: the key to point at, and what is wrong.
struct NetworkMistake {
  std::string key, text;
};
std::vector<NetworkMistake> check_networks(const GeneratorConfig& generator, const DiscriminatorConfig& discriminator,
                                           const ConditionalConfig& conditional);

/// Throw Error(Fault::recipe) where the network cannot make or read samples of this shape.
void check_shape(const GeneratorConfig& c, const SampleShape& shape);
void check_shape(const DiscriminatorConfig& c, const SampleShape& shape);

}  // namespace ganymede::nets
