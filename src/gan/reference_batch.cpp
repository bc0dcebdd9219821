#include "gan/reference_batch.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "core/error.hpp"
#include "nets/collectives.hpp"

namespace ganymede::gan {
namespace {

class ReferenceCollector final : public Filter {
 public:
  void apply(Showing& showing, const Judge& judge) override {
    auto& discriminator = judge.discriminator();
    if (showing.range.source != nets::Source::d_real || discriminator.has_reference()) return;
    const at::NoGradGuard no_graph;
    const int64_t wanted = discriminator.reference_rows();
    const auto all = nets::ggather(showing.samples.detach().contiguous(), showing.range.starts, judge.statistics(), "reference batch");
    if (all.size(0) < wanted)
      throw Error(Fault::recipe, "virtual batch norm wants {} reference samples, a step of D judges {}", wanted, all.size(0)).remedy("raise data.global_batch");
    discriminator.set_reference(all.narrow(0, 0, wanted));
  }
};

}  // namespace

void reserve_references(nets::Network& generator, nets::Network& discriminator, nets::Network& average, const nets::LatentConfig& latent,
                        const nets::Conditioning& conditioning, int64_t joined, const nets::SampleShape& shape, int64_t global_batch) {
  constexpr int64_t most_rows = 64;
  const int64_t rows = std::min(global_batch, most_rows);
  for (auto* net : {&generator, &average})
    if (net->needs_reference()) net->reserve_reference({rows, latent.size + conditioning.latent_extra()});
  if (!discriminator.needs_reference()) return;
  const int64_t channels = joined * ((shape.is_points ? shape.features : shape.channels) + conditioning.planes());
  const int64_t judged = std::min(global_batch / joined, most_rows);
  shape.is_points ? discriminator.reserve_reference({judged, channels}) : discriminator.reserve_reference({judged, channels, shape.height, shape.width});
}

std::unique_ptr<Filter> make_reference_collector() { return std::make_unique<ReferenceCollector>(); }

void set_generator_reference(nets::Network& generator, const GameSetup& setup, const ClassPolicy& classes, const Rng& rng) {
  if (!generator.needs_reference() || generator.has_reference()) return;
  Share share;
  share.rows = generator.reference_rows();
  const auto z = nets::latents(rng, setup.latent, Draw{Purpose::z_g, 0, 0}, 0, share.rows, scalar_type(setup.precision));
  generator.set_reference(classes.join(z, classes.for_generator(share, rng, 0)));
}

}  // namespace ganymede::gan
