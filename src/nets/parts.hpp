// What the architectures are put together from: the layers around a hidden layer, and the end of a discriminator, as the keys of
// the recipe ask for them. A key at its default adds nothing.
#pragma once
#include <numbers>

#include "nets/network.hpp"
#include "nets/network_config.hpp"

namespace ganymede::nets {

// Gains of equalized weights (Karras et al. 2018, the published code): no activation behind an output; a first dense layer is
// slowed down by 4.
constexpr double hidden_gain = std::numbers::sqrt2;
constexpr double output_gain = 1.0;
constexpr double first_dense_gain = std::numbers::sqrt2 / 4;

WeightRule weight_rule(const GeneratorConfig& c, double gain = hidden_gain);
WeightRule weight_rule(const DiscriminatorConfig& c, double gain = hidden_gain);

/// A bias in front of it would have a gradient of rounding only.
bool removes_bias(Norm norm);
/// The bias of a layer that has one, with this norm behind it.
struct Bias {
  bool is_there = true, is_untrained = false;
};
Bias bias_in_front_of(const NetworkConfig& c, Norm norm);
/// Nothing for none and pixel.
void add_norm(Network& net, const NetworkConfig& c, Norm norm, int64_t channels, int64_t classes);
void add_activation(Network& net, Activation activation, double slope);
/// Norm and activation of one of G's hidden layers.
void finish_hidden(Network& g, const GeneratorConfig& c, int64_t channels, int64_t classes);

void add_dropout(Network& d, const DiscriminatorConfig& c);

/// What D's last activation gives.
struct Features {
  int64_t channels = 1;
  int64_t side = 0;  // of a picture; 0: vectors
  bool ends_in_convolution = false;  // all pixels are read by a convolution without bias, not by a Linear
  Linear::Start start = Linear::Start::dcgan;
};
/// Features -> logits [B], or [B, 1 + K] with a classifier.
void add_head(Network& d, const DiscriminatorConfig& c, Features features, const Conditioning& conditioning);

}  // namespace ganymede::nets
