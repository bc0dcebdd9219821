// The networks of two published benchmarks on stacked digits, 28 pixels square, whose kernels are not multiples of their stride:
// dcgan5x5   5x5 kernels, G 2 -> 4 -> 7 -> 14 -> 28 pixels, D back: Srivastava et al. 2017, "VEEGAN", and Lin et al. 2018, "PacGAN".
// crippled   3x3 kernels, G 4 -> 7 -> 14 -> 28 and a convolution, D 28 -> 14 -> 7 -> 4 with a half or a quarter of G's filters
//            (width 4 or 2 beside G's 8): Metz et al. 2017, "Unrolled Generative Adversarial Networks". D's first layer is normalized too.
// All layers are biased.
#pragma once
#include "nets/network.hpp"
#include "nets/network_config.hpp"

namespace ganymede::nets {

/// in: length of what G is given, class included.
void stacked_digits_generator(Network& g, const GeneratorConfig& c, int64_t in, const SampleShape& shape,
                              const Conditioning& conditioning);
/// in: channels of what D is given, planes and joined samples included.
void stacked_digits_discriminator(Network& d, const DiscriminatorConfig& c, int64_t in, const Conditioning& conditioning);

}  // namespace ganymede::nets
