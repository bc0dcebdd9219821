#include "nets/parts.hpp"

#include "nets/conditional_norm.hpp"
#include "nets/dropout.hpp"
#include "nets/minibatch_discrimination.hpp"
#include "nets/minibatch_stddev.hpp"
#include "nets/pixel_norm.hpp"
#include "nets/pooling.hpp"
#include "nets/projection_head.hpp"
#include "nets/virtual_batch_norm.hpp"

namespace ganymede::nets {
namespace {

std::vector<int64_t> one_number(int64_t outputs) { return outputs == 1 ? std::vector<int64_t>{} : std::vector<int64_t>{outputs}; }

void add_minibatch_stddev(Network& d, const DiscriminatorConfig& c, Features& features) {
  if (c.minibatch_stddev == 0) return;
  d.add<MinibatchStddev>(c.minibatch_stddev, c.minibatch_stddev_maps);
  features.channels += c.minibatch_stddev_maps;
}

void add_minibatch_discrimination(Network& d, const DiscriminatorConfig& c, Features& features) {
  if (c.minibatch_discrimination == 0) return;
  d.add<MinibatchDiscrimination>(features.channels, c.minibatch_discrimination, c.minibatch_discrimination_size, c.minibatch_discrimination_plain);
  features.channels += c.minibatch_discrimination;
}

}  // namespace

void add_dropout(Network& d, const DiscriminatorConfig& c) {
  if (c.dropout > 0.0) d.add<Dropout>(c.dropout, c.dropout_channel, static_cast<int64_t>(d.size()));
}

WeightRule weight_rule(const GeneratorConfig& c, double gain) {
  return {c.equalized_lr ? WeightRule::Kind::equalized : WeightRule::Kind::plain, gain};
}

WeightRule weight_rule(const DiscriminatorConfig& c, double gain) {
  if (c.spectral_norm) return {WeightRule::Kind::spectral, gain, c.spectral_norm_iterations};
  return {c.equalized_lr ? WeightRule::Kind::equalized : WeightRule::Kind::plain, gain};
}

bool removes_bias(Norm norm) { return norm == Norm::batch || norm == Norm::virtual_batch || norm == Norm::conditional; }

Bias bias_in_front_of(const NetworkConfig& c, Norm norm) {
  if (!removes_bias(norm)) return {};
  return {c.bias_before_norm, c.bias_before_norm};
}

void add_norm(Network& net, const NetworkConfig& c, Norm norm, int64_t channels, int64_t classes) {
  switch (norm) {
    case Norm::batch: net.add<BatchNorm>(channels, c.norm_momentum); break;
    case Norm::virtual_batch: net.add<VirtualBatchNorm>(channels); break;
    case Norm::conditional: net.add<ConditionalBatchNorm>(channels, classes, c.norm_momentum); break;
    default: break;
  }
}

void add_activation(Network& net, Activation activation, double slope) {
  if (activation == Activation::elu)
    net.add<Elu>();
  else
    net.add<LeakyReLU>(activation == Activation::relu ? 0.0 : slope);
}

void finish_hidden(Network& g, const GeneratorConfig& c, int64_t channels, int64_t classes) {
  const Norm norm = norm_of(c);
  add_norm(g, c, norm, channels, classes);
  add_activation(g, activation_of(c), c.slope);
  if (norm == Norm::pixel) g.add<PixelNorm>();
}

void add_head(Network& d, const DiscriminatorConfig& c, Features features, const Conditioning& conditioning) {
  const auto rule = weight_rule(c, output_gain);
  const bool is_projection = conditioning.kind == ConditionalKind::projection;
  const int64_t outputs = conditioning.outputs();
  add_minibatch_stddev(d, c, features);
  if (features.side > 0) {
    const bool reads_all_pixels = c.head == Head::flatten && !is_projection;
    if (reads_all_pixels && features.ends_in_convolution && c.minibatch_discrimination == 0) {
      d.add<Conv2d>(ConvShape{features.channels, outputs, features.side, 1, 0}, rule).add<Reshape>(one_number(outputs));
      return;
    }
    if (reads_all_pixels) {
      features.channels *= features.side * features.side;
      d.add<Reshape>(std::vector<int64_t>{features.channels});
    } else {
      d.add<GlobalPool>(c.head == Head::average ? GlobalPool::Kind::average : GlobalPool::Kind::sum);
    }
  }
  add_minibatch_discrimination(d, c, features);
  if (is_projection) {
    d.add<ProjectionHead>(features.channels, conditioning.classes, features.start, rule);
    return;
  }
  d.add<Linear>(features.channels, outputs, features.start, false, rule);
  if (outputs == 1) d.add<Reshape>(one_number(outputs));
}

}  // namespace ganymede::nets
