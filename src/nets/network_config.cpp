#include "nets/network_config.hpp"

#include <fmt/format.h>

#include <bit>

#include "config/fields.hpp"
#include "core/error.hpp"

namespace ganymede::nets {
namespace {

constexpr std::string_view default_word = "default";

void describe_size(config::Fields& fields, NetworkConfig& c) {
  fields.choice("kind", c.kind, {{"dcgan", Kind::dcgan}, {"mlp", Kind::mlp}, {"dcgan5x5", Kind::dcgan5x5}, {"crippled", Kind::crippled}},
                "architecture: dcgan for images, mlp for points; dcgan5x5 and crippled are published ones for stacked digits");
  fields.integer("width", c.width, "filters at the widest resolution; mlp: units of a hidden layer").at_least(1).at_most(4096);
  fields.integer("depth", c.depth, "mlp: hidden layers").at_least(1).at_most(64);
  using Start = NetworkConfig::Start;
  fields.choice("init", c.start, {{default_word, Start::by_kind}, {"he", Start::he}, {"normal", Start::normal}},
                "mlp: first weights; default is PyTorch's, he is for relu, normal is N(0, 0.02 squared) with biases 0");
}

void describe_batch_norm(config::Fields& fields, NetworkConfig& c) {
  fields.flag("bias_before_norm", c.bias_before_norm, "keep the biases that batch norm removes, at 0, as most published networks do");
  fields.number("norm_momentum", c.norm_momentum, "share of a batch in batch norm's running statistics").above(0).at_most(1);
}

void describe_slope(config::Fields& fields, double& slope) {
  fields.number("slope", slope, "leaky_relu: slope for negative values").at_least(0).below(1);
}

void describe_equalized(config::Fields& fields, bool& equalized) {
  fields.flag("equalized_lr", equalized, "weights stored N(0,1) and scaled where they are used");
}

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::dcgan: return "dcgan";
    case Kind::mlp: return "mlp";
    case Kind::dcgan5x5: return "dcgan5x5";
    default: return "crippled";
  }
}

void check_kind(const NetworkConfig& config, const SampleShape& shape, const char* which) {
  if (config.kind == Kind::mlp) {
    if (!shape.is_points)
      throw Error(Fault::recipe, "{}.kind = \"mlp\" works on points, and the data set holds images", which)
          .remedy("set {}.kind = \"dcgan\"", which);
    return;
  }
  if (shape.is_points)
    throw Error(Fault::recipe, "{}.kind = \"{}\" works on images, and the data set holds points", which, name_of(config.kind))
        .remedy("set {}.kind = \"mlp\"", which);
  if (config.kind != Kind::dcgan) {
    if (shape.height != 28 || shape.width != 28)
      throw Error(Fault::recipe, "{}.kind = \"{}\" is for 28 pixels square, and the data set's images are {} x {}", which,
                  name_of(config.kind), shape.height, shape.width)
          .remedy("set {}.kind = \"dcgan\", or build the data set again with `ganymede data build SRC OUT --size 28`", which);
    return;
  }
  const bool is_power = std::has_single_bit(static_cast<uint64_t>(shape.height));
  const bool known = shape.height == 28 || (is_power && shape.height >= 32 && shape.height <= 128);
  if (shape.height != shape.width || !known)
    throw Error(Fault::recipe, "{}.kind = \"dcgan\" makes 28, 32, 64 or 128 pixels square, and the data set's images are {} x {}",
                which, shape.height, shape.width)
        .remedy("build the data set again with `ganymede data build SRC OUT --size 32`");
}

// What D's last activation has.
int64_t channels_of_features(const DiscriminatorConfig& c, const SampleShape& shape) {
  if (c.kind == Kind::mlp) return c.width;
  if (c.kind == Kind::dcgan5x5) return 8 * c.width;
  return shape.height == 28 ? 4 * c.width : c.width * shape.height / 8;
}

bool is_published(Kind kind) { return kind == Kind::dcgan5x5 || kind == Kind::crippled; }

}  // namespace

void describe(config::Fields& fields, GeneratorConfig& c) {
  describe_size(fields, c);
  fields.choice("activation", c.activation,
                {{default_word, Activation::by_kind},
                 {"relu", Activation::relu},
                 {"leaky_relu", Activation::leaky_relu},
                 {"elu", Activation::elu}},
                "of hidden layers; default is leaky_relu for mlp, else relu");
  describe_slope(fields, c.slope);
  fields.choice("upsample", c.upsample,
                {{"transposed", Upsampling::transposed}, {"nearest", Upsampling::nearest}, {"bilinear", Upsampling::bilinear}},
                "dcgan: 4x4 transposed convolutions, or doubling and 3x3 convolutions");
  fields.choice("norm", c.norm,
                {{default_word, Norm::by_kind},
                 {"batch", Norm::batch},
                 {"none", Norm::none},
                 {"pixel", Norm::pixel},
                 {"virtual", Norm::virtual_batch},
                 {"conditional", Norm::conditional}},
                "of hidden layers; default is none for mlp, else batch");
  describe_batch_norm(fields, c);
  describe_equalized(fields, c.equalized_lr);
}

void describe(config::Fields& fields, DiscriminatorConfig& c) {
  describe_size(fields, c);
  fields.choice("activation", c.activation,
                {{"relu", Activation::relu},
                 {"leaky_relu", Activation::leaky_relu},
                 {"elu", Activation::elu},
                 {"maxout", Activation::maxout}},
                "of hidden layers; maxout is for mlp");
  describe_slope(fields, c.slope);
  fields.integer("maxout_pieces", c.maxout_pieces, "maxout: linear pieces of a unit").at_least(2).at_most(64);
  fields.choice("down", c.down, {{"stride", Down::stride}, {"avg", Down::average}, {"max", Down::largest}},
                "dcgan: 4x4 convolutions with stride, or 3x3 convolutions and 2x2 pooling");
  fields.choice("head", c.head, {{"flatten", Head::flatten}, {"gap", Head::average}, {"gsp", Head::sum}},
                "dcgan: what the last layer reads: all pixels, their mean or their sum");
  fields.choice("norm", c.norm,
                {{default_word, Norm::by_kind}, {"batch", Norm::batch}, {"none", Norm::none}, {"virtual", Norm::virtual_batch}},
                "of hidden layers but the first (crippled: of all); default is none for mlp and for dcgan of 28 pixels, else batch");
  describe_batch_norm(fields, c);
  fields.number("dropout", c.dropout, "probability to drop, behind each activation but the last; 0 = off").at_least(0).below(1);
  fields.flag("dropout_channel", c.dropout_channel, "dropout drops whole channels");
  fields.integer("minibatch_stddev", c.minibatch_stddev, "samples of a group whose spread the last layer sees; 0 = off, 1 = the whole batch")
      .at_least(0);
  fields.integer("minibatch_stddev_maps", c.minibatch_stddev_maps, "maps that it appends").at_least(1);
  fields.integer("minibatch_discrimination", c.minibatch_discrimination, "features of nearness to other samples; 0 = off")
      .at_least(0).at_most(4096);
  fields.integer("minibatch_discrimination_size", c.minibatch_discrimination_size, "numbers that each compares").at_least(1).at_most(4096);
  fields.flag("minibatch_discrimination_plain", c.minibatch_discrimination_plain, "kernels start as N(0,1), without learnt scale and bias");
  fields.flag("spectral_norm", c.spectral_norm, "weights divided by their largest singular value");
  fields.integer("spectral_norm_iterations", c.spectral_norm_iterations, "power iterations of each training pass").at_least(1).at_most(100);
  describe_equalized(fields, c.equalized_lr);
}

Activation activation_of(const GeneratorConfig& c) {
  if (c.activation != Activation::by_kind) return c.activation;
  return c.kind == Kind::mlp ? Activation::leaky_relu : Activation::relu;
}

Norm norm_of(const GeneratorConfig& c) {
  if (c.norm != Norm::by_kind) return c.norm;
  return c.kind == Kind::mlp ? Norm::none : Norm::batch;
}

Norm norm_of(const DiscriminatorConfig& c, const SampleShape& shape) {
  if (c.norm != Norm::by_kind) return c.norm;
  return c.kind == Kind::mlp || (c.kind == Kind::dcgan && shape.height == 28) ? Norm::none : Norm::batch;
}

int64_t uneven_kernel(const GeneratorConfig& c) { return c.kind == Kind::dcgan5x5 ? 5 : c.kind == Kind::crippled ? 3 : 0; }

std::vector<NetworkMistake> check_networks(const GeneratorConfig& g, const DiscriminatorConfig& d, const ConditionalConfig& conditional) {
  const bool points_g = g.kind == Kind::mlp, points_d = d.kind == Kind::mlp;
  const bool is_projection = conditional.kind == ConditionalKind::projection;
  struct Rule {
    bool is_broken;
    const char *key, *text;
  };
  const Rule rules[] = {
      {d.spectral_norm && d.equalized_lr, "discriminator.equalized_lr",
       "discriminator.spectral_norm and discriminator.equalized_lr both scale the weights of one layer; keep one of them"},
      {!points_g && g.start != NetworkConfig::Start::by_kind, "generator.init", "generator.init is for kind = \"mlp\"; leave it out"},
      {!points_d && d.start != NetworkConfig::Start::by_kind, "discriminator.init",
       "discriminator.init is for kind = \"mlp\"; leave it out"},
      {!points_d && d.activation == Activation::maxout, "discriminator.activation",
       "discriminator.activation = \"maxout\" is for kind = \"mlp\"; use another"},
      {is_published(g.kind) && g.upsample != Upsampling::transposed, "generator.upsample",
       "generator.upsample is for kind = \"dcgan\": the published networks have transposed convolutions; leave it out"},
      {is_published(d.kind) && d.down != Down::stride, "discriminator.down",
       "discriminator.down is for kind = \"dcgan\": the published networks have convolutions with stride; leave it out"},
      {points_g && g.upsample != Upsampling::transposed, "generator.upsample",
       "generator.upsample doubles pictures, and generator.kind = \"mlp\" makes points"},
      {norm_of(g) == Norm::pixel && g.width == 1, "generator.norm",
       "generator.norm = \"pixel\" would keep only the sign of the one channel of generator.width = 1; use more channels"},
      {norm_of(g) == Norm::conditional && conditional.kind == ConditionalKind::none, "generator.norm",
       "generator.norm = \"conditional\" needs classes; set conditional.kind"},
      {points_d && d.down != Down::stride, "discriminator.down",
       "discriminator.down shrinks pictures, and discriminator.kind = \"mlp\" reads points"},
      {points_d && d.head != Head::flatten, "discriminator.head",
       "discriminator.head pools over pixels, and discriminator.kind = \"mlp\" reads points"},
      {points_d && d.dropout_channel, "discriminator.dropout_channel",
       "discriminator.dropout_channel drops the channels of pictures, and discriminator.kind = \"mlp\" reads points"},
      {is_projection && d.head == Head::average, "discriminator.head",
       "conditional.kind = \"projection\" takes the sum over all pixels, not discriminator.head = \"gap\"; leave it out or set \"gsp\""},
  };
  std::vector<NetworkMistake> mistakes;
  for (const auto& rule : rules)
    if (rule.is_broken) mistakes.push_back({rule.key, rule.text});
  return mistakes;
}

void check_shape(const GeneratorConfig& c, const SampleShape& shape) { check_kind(c, shape, "generator"); }

void check_shape(const DiscriminatorConfig& c, const SampleShape& shape) {
  check_kind(c, shape, "discriminator");
  const int64_t channels = channels_of_features(c, shape);
  if (c.minibatch_stddev > 0 && channels % c.minibatch_stddev_maps != 0)
    throw Error(Fault::recipe, "discriminator.minibatch_stddev_maps = {} does not divide the {} channels in front of the last layer",
                c.minibatch_stddev_maps, channels)
        .remedy("use a divisor of {}", channels);
}

}  // namespace ganymede::nets
