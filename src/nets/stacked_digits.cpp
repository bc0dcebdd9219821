#include "nets/stacked_digits.hpp"

#include "nets/parts.hpp"

namespace ganymede::nets {
namespace {

struct Layout {
  int64_t kernel, padding;
  std::vector<int64_t> sides;  // of pictures, from G's first to its last; D goes back
  bool ends_in_convolution;    // of stride 1, behind G's last transposed one
};

Layout layout_of(Kind kind) {
  if (kind == Kind::dcgan5x5) return {5, 2, {2, 4, 7, 14, 28}, false};
  return {3, 1, {4, 7, 14, 28}, true};
}

// From one side to the next: (before − 1)·2 − 2p + κ comes to 2·before − 1 for both kernels.
ConvShape up(const Layout& layout, int64_t in, int64_t out, size_t from) {
  ConvShape shape{in, out, layout.kernel, 2, layout.padding, true};
  shape.output_padding = layout.sides[from + 1] - (2 * layout.sides[from] - 1);
  return shape;
}

}  // namespace

void stacked_digits_generator(Network& g, const GeneratorConfig& c, int64_t in, const SampleShape& shape,
                              const Conditioning& conditioning) {
  const auto layout = layout_of(c.kind);
  const size_t ups = layout.sides.size() - 1;
  const int64_t first = layout.sides.front();
  int64_t filters = 8 * c.width;
  const auto bias = bias_in_front_of(c, norm_of(c));
  g.add<Linear>(in, filters * first * first, Linear::Start::dcgan, bias.is_untrained, weight_rule(c, first_dense_gain), bias.is_there);
  g.add<Reshape>(std::vector<int64_t>{filters, first, first});
  finish_hidden(g, c, filters, conditioning.classes);
  for (size_t i = 0; i < ups; ++i, filters /= 2) {
    const bool is_last = i + 1 == ups && !layout.ends_in_convolution;
    auto convolution = up(layout, filters, is_last ? shape.channels : filters / 2, i);
    if (!is_last) convolution.bias = bias.is_there, convolution.untrained_bias = bias.is_untrained;
    g.add<ConvTranspose2d>(convolution, weight_rule(c, is_last ? output_gain : hidden_gain));
    if (!is_last) finish_hidden(g, c, filters / 2, conditioning.classes);
  }
  const ConvShape same_side{filters, shape.channels, layout.kernel, 1, layout.padding, true};
  if (layout.ends_in_convolution) g.add<Conv2d>(same_side, weight_rule(c, output_gain));
  g.add<Tanh>();
}

void stacked_digits_discriminator(Network& d, const DiscriminatorConfig& c, int64_t in, const Conditioning& conditioning) {
  const auto layout = layout_of(c.kind);
  const size_t downs = layout.sides.size() - 1;
  const SampleShape pictures{false, layout.sides.back(), layout.sides.back(), in, 0};
  for (size_t i = 0; i < downs; ++i) {
    const int64_t filters = c.width << i;
    const Norm norm = i == 0 && c.kind == Kind::dcgan5x5 ? Norm::none : norm_of(c, pictures);
    const auto bias = bias_in_front_of(c, norm);
    ConvShape convolution{in, filters, layout.kernel, 2, layout.padding, bias.is_there};
    convolution.untrained_bias = bias.is_untrained;
    d.add<Conv2d>(convolution, weight_rule(c));
    add_norm(d, c, norm, filters, 0);
    add_activation(d, c.activation, c.slope);
    if (i + 1 < downs) add_dropout(d, c);
    in = filters;
  }
  add_head(d, c, {in, layout.sides.front(), false, Linear::Start::dcgan}, conditioning);
}

}  // namespace ganymede::nets
