#include "nets/mlp.hpp"

#include "nets/parts.hpp"

namespace ganymede::nets {
namespace {

// he: for ReLU (He et al. 2015, "Delving Deep into Rectifiers", equation 10), as the published toys of WGAN-GP have it.
Linear::Start start_of(const NetworkConfig& c, Linear::Start for_he) {
  switch (c.start) {
    case NetworkConfig::Start::he: return for_he;
    case NetworkConfig::Start::normal: return Linear::Start::dcgan;
    default: return Linear::Start::torch_default;
  }
}
Linear::Start hidden_start(const NetworkConfig& c) { return start_of(c, Linear::Start::he); }
Linear::Start last_start(const NetworkConfig& c) { return start_of(c, Linear::Start::glorot); }

}  // namespace

void mlp_generator(Network& g, const GeneratorConfig& c, int64_t in, const SampleShape& shape, const Conditioning& conditioning) {
  for (int64_t i = 0; i < c.depth; ++i, in = c.width) {
    const auto bias = bias_in_front_of(c, norm_of(c));
    g.add<Linear>(in, c.width, hidden_start(c), bias.is_untrained, weight_rule(c, i == 0 ? first_dense_gain : hidden_gain), bias.is_there);
    finish_hidden(g, c, c.width, conditioning.classes);
  }
  g.add<Linear>(in, shape.features, last_start(c), false, weight_rule(c, output_gain));
}

// As in the convolutional D, no norm behind the input.
void mlp_discriminator(Network& d, const DiscriminatorConfig& c, int64_t in, const Conditioning& conditioning) {
  for (int64_t i = 0; i < c.depth; ++i, in = c.width) {
    const Norm norm = i == 0 ? Norm::none : norm_of(c, SampleShape{true, 0, 0, 0, in});
    const auto bias = bias_in_front_of(c, norm);
    const bool is_maxout = c.activation == Activation::maxout;
    const int64_t out = is_maxout ? c.width * c.maxout_pieces : c.width;
    d.add<Linear>(in, out, hidden_start(c), bias.is_untrained, weight_rule(c), bias.is_there);
    add_norm(d, c, norm, out, 0);
    if (is_maxout)
      d.add<Maxout>(c.maxout_pieces);
    else
      add_activation(d, c.activation, c.slope);
    if (i + 1 < c.depth) add_dropout(d, c);
  }
  add_head(d, c, {in, 0, false, last_start(c)}, conditioning);
}

}  // namespace ganymede::nets
