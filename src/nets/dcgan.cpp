#include "nets/dcgan.hpp"

#include "nets/parts.hpp"
#include "nets/pooling.hpp"
#include "nets/upsample.hpp"

namespace ganymede::nets {
namespace {

// Doubles the side.
void add_up(Network& g, const GeneratorConfig& c, int64_t in, int64_t out, bool bias, double gain = hidden_gain) {
  const auto rule = weight_rule(c, gain);
  if (c.upsample == Upsampling::transposed) {
    g.add<ConvTranspose2d>(ConvShape{in, out, 4, 2, 1, bias}, rule);
    return;
  }
  g.add<Upsample>(c.upsample == Upsampling::nearest ? Upsample::Mode::nearest : Upsample::Mode::bilinear);
  g.add<Conv2d>(ConvShape{in, out, 3, 1, 1, bias}, rule);
}

// The preset for MNIST's own 28 pixels: a Linear to 7×7, two doublings.
void generator28(Network& g, const GeneratorConfig& c, int64_t in, int64_t channels, int64_t classes) {
  const int64_t w = c.width;
  const auto bias = bias_in_front_of(c, norm_of(c));  // published although batch norm follows, which removes it
  g.add<Linear>(in, 2 * w * 7 * 7, Linear::Start::dcgan, bias.is_untrained, weight_rule(c, first_dense_gain), bias.is_there);
  g.add<Reshape>(std::vector<int64_t>{2 * w, 7, 7});
  finish_hidden(g, c, 2 * w, classes);
  add_up(g, c, 2 * w, w, /*bias=*/false);
  finish_hidden(g, c, w, classes);
  add_up(g, c, w, channels, /*bias=*/true, output_gain);
}

// size = 4·2^n: latents become 4×4, then double n times.
void generator_of_power(Network& g, const GeneratorConfig& c, int64_t in, int64_t size, int64_t channels, int64_t classes) {
  int64_t filters = c.width * size / 8;
  // Equalized: each of its outputs sums over `in` values, not over 16·in as fan_in says; the quarter in the gain of a first dense
  // layer stands for the same 16, so √2 is right here.
  g.add<ConvTranspose2d>(ConvShape{in, filters, 4, 1, 0}, weight_rule(c));
  finish_hidden(g, c, filters, classes);
  for (int64_t side = 4; side < size / 2; side *= 2, filters /= 2) {
    add_up(g, c, filters, filters / 2, false);
    finish_hidden(g, c, filters / 2, classes);
  }
  add_up(g, c, filters, channels, false, output_gain);
}

// Halves the side.
void add_down(Network& d, const DiscriminatorConfig& c, int64_t in, int64_t out, bool is_biased, Norm norm, bool is_last) {
  const bool strided = c.down == Down::stride;
  const auto bias = bias_in_front_of(c, norm);
  ConvShape shape{in, out, strided ? 4 : 3, strided ? 2 : 1, 1, is_biased && bias.is_there};
  shape.untrained_bias = shape.bias && bias.is_untrained;
  d.add<Conv2d>(shape, weight_rule(c));
  add_norm(d, c, norm, out, 0);
  add_activation(d, c.activation, c.slope);
  if (!is_last) add_dropout(d, c);
  if (!strided) d.add<Pool>(c.down == Down::average ? Pool::Kind::average : Pool::Kind::largest);
}

}  // namespace

void dcgan_generator(Network& g, const GeneratorConfig& c, int64_t in, const SampleShape& shape, const Conditioning& conditioning) {
  if (shape.height == 28)
    generator28(g, c, in, shape.channels, conditioning.classes);
  else
    generator_of_power(g, c, in, shape.height, shape.channels, conditioning.classes);
  g.add<Tanh>();
}

// 28 pixels: 14, 7, 3, all layers biased. Powers of two: down to 4, no layer biased.
void dcgan_discriminator(Network& d, const DiscriminatorConfig& c, int64_t in, const SampleShape& shape, const Conditioning& conditioning) {
  const bool is_28 = shape.height == 28;
  const int64_t last_side = is_28 ? 3 : 4;
  int64_t side = shape.height / 2, filters = c.width;
  add_down(d, c, in, filters, is_28, Norm::none, false);
  for (; side > last_side; side /= 2, filters *= 2) add_down(d, c, filters, 2 * filters, is_28, norm_of(c, shape), side / 2 == last_side);
  add_head(d, c, {filters, side, /*ends_in_convolution=*/!is_28, Linear::Start::dcgan}, conditioning);
}

}  // namespace ganymede::nets
