#include "nets/mlp.hpp"

#include "nets/parts.hpp"

namespace ganymede::nets {
namespace {

// he: for ReLU (He et al. 2015, "Delving Deep into Rectifiers", equation 10), as the published toys of WGAN-GP have it.
Linear::Start hidden_start(const NetworkConfig& c) { return c.start == NetworkConfig::Start::he ? Linear::Start::he : Linear::Start::torch_default; }
Linear::Start last_start(const NetworkConfig& c) { return c.start == NetworkConfig::Start::he ? Linear::Start::glorot : Linear::Start::torch_default; }

}  // namespace

void mlp_generator(Network& g, const GeneratorConfig& c, int64_t in, const SampleShape& shape, const Conditioning& conditioning) {
  for (int64_t i = 0; i < c.depth; ++i, in = c.width) {
    const auto rule = i == 0 ? weight_rule(c, first_dense_gain) : weight_rule(c);
    g.add<Linear>(in, c.width, hidden_start(c), removes_bias(norm_of(c)), rule);
    finish_hidden(g, c, c.width, conditioning.classes);
  }
  g.add<Linear>(in, shape.features, last_start(c), false, weight_rule(c, output_gain));
}

// As in the convolutional D, no norm behind the input.
void mlp_discriminator(Network& d, const DiscriminatorConfig& c, int64_t in, const Conditioning& conditioning) {
  for (int64_t i = 0; i < c.depth; ++i, in = c.width) {
    const Norm norm = i == 0 ? Norm::none : norm_of(c, SampleShape{true, 0, 0, 0, in});
    d.add<Linear>(in, c.width, hidden_start(c), removes_bias(norm), weight_rule(c));
    add_norm(d, norm, c.width, 0);
    add_activation(d, c.activation, c.slope);
    if (i + 1 < c.depth) add_dropout(d, c);
  }
  add_head(d, c, {in, 0, false, last_start(c)}, conditioning);
}

}  // namespace ganymede::nets
