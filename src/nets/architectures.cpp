#include "nets/architectures.hpp"

#include <bit>

#include "config/fields.hpp"
#include "core/error.hpp"

namespace ganymede::nets {
namespace {

constexpr double slope = 0.2;  // LeakyReLU's, in every published DCGAN

// The preset for MNIST's own 28 pixels: a Linear to 7×7, two transposed convolutions, no batch norm in D.
void dcgan28_generator(Network& g, int64_t w, int64_t latent, int64_t channels) {
  g.add<Linear>(latent, 2 * w * 7 * 7, Linear::Start::dcgan, /*untrained_bias=*/true);
  g.add<Reshape>(std::vector<int64_t>{2 * w, 7, 7}).add<BatchNorm>(2 * w).add<LeakyReLU>(0.0);
  g.add<ConvTranspose2d>(ConvShape{2 * w, w}).add<BatchNorm>(w).add<LeakyReLU>(0.0);
  g.add<ConvTranspose2d>(ConvShape{w, channels, 4, 2, 1, true}).add<Tanh>();
}

void dcgan28_discriminator(Network& d, int64_t w, int64_t channels) {
  d.add<Conv2d>(ConvShape{channels, w, 4, 2, 1, true}).add<LeakyReLU>(slope);
  d.add<Conv2d>(ConvShape{w, 2 * w, 4, 2, 1, true}).add<LeakyReLU>(slope);
  d.add<Conv2d>(ConvShape{2 * w, 4 * w, 4, 2, 1, true}).add<LeakyReLU>(slope);
  d.add<Reshape>(std::vector<int64_t>{4 * w * 3 * 3}).add<Linear>(4 * w * 3 * 3, 1, Linear::Start::dcgan);
  d.add<Reshape>(std::vector<int64_t>{});
}

// size = 4·2^n: latents become 4×4, then double n times; D is the mirror image.
void dcgan_generator(Network& g, int64_t w, int64_t latent, int64_t size, int64_t channels) {
  int64_t filters = w * size / 8;
  g.add<ConvTranspose2d>(ConvShape{latent, filters, 4, 1, 0}).add<BatchNorm>(filters).add<LeakyReLU>(0.0);
  for (int64_t side = 4; side < size / 2; side *= 2, filters /= 2)
    g.add<ConvTranspose2d>(ConvShape{filters, filters / 2}).add<BatchNorm>(filters / 2).add<LeakyReLU>(0.0);
  g.add<ConvTranspose2d>(ConvShape{filters, channels}).add<Tanh>();
}

void dcgan_discriminator(Network& d, int64_t w, int64_t size, int64_t channels) {
  d.add<Conv2d>(ConvShape{channels, w}).add<LeakyReLU>(slope);
  int64_t filters = w;
  for (int64_t side = size / 2; side > 4; side /= 2, filters *= 2)
    d.add<Conv2d>(ConvShape{filters, 2 * filters}).add<BatchNorm>(2 * filters).add<LeakyReLU>(slope);
  d.add<Conv2d>(ConvShape{filters, 1, 4, 1, 0}).add<Reshape>(std::vector<int64_t>{});
}

void mlp(Network& net, int64_t in, int64_t width, int64_t depth, int64_t out) {
  for (int64_t i = 0; i < depth; ++i, in = width) net.add<Linear>(in, width, Linear::Start::torch_default).add<LeakyReLU>(slope);
  net.add<Linear>(in, out, Linear::Start::torch_default);
}

void check_shape(const NetworkConfig& config, const SampleShape& shape, const char* which) {
  if (config.kind == Kind::mlp) {
    if (!shape.is_points)
      throw Error(Fault::recipe, "{}.kind = \"mlp\" works on points, and the data set holds images", which).remedy("set {}.kind = \"dcgan\"", which);
    return;
  }
  if (shape.is_points)
    throw Error(Fault::recipe, "{}.kind = \"dcgan\" works on images, and the data set holds points", which).remedy("set {}.kind = \"mlp\"", which);
  const bool known = shape.height == 28 || (std::has_single_bit(static_cast<uint64_t>(shape.height)) && shape.height >= 32 && shape.height <= 128);
  if (shape.height != shape.width || !known)
    throw Error(Fault::recipe, "{}.kind = \"dcgan\" makes 28, 32, 64 or 128 pixels square, and the data set's images are {} x {}", which, shape.height,
                shape.width)
        .remedy("build the data set again with `ganymede data build SRC OUT --size 32`");
}

}  // namespace

void describe(config::Fields& fields, NetworkConfig& c) {
  fields.choice("kind", c.kind, {{"dcgan", Kind::dcgan}, {"mlp", Kind::mlp}}, "architecture: dcgan for images, mlp for points");
  fields.integer("width", c.width, "dcgan: filters at the widest resolution; mlp: units of a hidden layer").at_least(1).at_most(4096);
  fields.integer("depth", c.depth, "mlp: hidden layers").at_least(1).at_most(64);
}

void describe(config::Fields& fields, LatentConfig& c) {
  fields.integer("size", c.size, "length Z of a latent").at_least(1).at_most(65536);
  fields.choice("prior", c.prior, {{"normal", Prior::normal}, {"uniform", Prior::uniform}}, "N(0,1) or U(-1,1)");
}

std::shared_ptr<Network> make_generator(const NetworkConfig& config, const LatentConfig& latent, const SampleShape& shape) {
  check_shape(config, shape, "generator");
  auto g = std::make_shared<Network>("generator");
  if (config.kind == Kind::mlp)
    mlp(*g, latent.size, config.width, config.depth, shape.features);
  else if (shape.height == 28)
    dcgan28_generator(*g, config.width, latent.size, shape.channels);
  else
    dcgan_generator(*g, config.width, latent.size, shape.height, shape.channels);
  return g;
}

std::shared_ptr<Network> make_discriminator(const NetworkConfig& config, const SampleShape& shape) {
  check_shape(config, shape, "discriminator");
  auto d = std::make_shared<Network>("discriminator");
  if (config.kind == Kind::mlp)
    mlp(*d, shape.features, config.width, config.depth, 1), d->add<Reshape>(std::vector<int64_t>{});
  else if (shape.height == 28)
    dcgan28_discriminator(*d, config.width, shape.channels);
  else
    dcgan_discriminator(*d, config.width, shape.height, shape.channels);
  return d;
}

at::Tensor latents(const Rng& rng, const LatentConfig& config, const Draw& draw, int64_t first_place, int64_t rows, at::ScalarType type) {
  if (config.prior == Prior::normal) return rng.normal(draw, first_place, rows, config.size).to(type);
  return rng.uniform(draw, first_place, rows, config.size).mul_(2.0).sub_(1.0).to(type);
}

}  // namespace ganymede::nets
