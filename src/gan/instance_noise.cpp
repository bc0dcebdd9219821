#include "gan/instance_noise.hpp"

#include <algorithm>

#include "config/fields.hpp"
#include "gan/disk_order.hpp"

namespace ganymede::gan {
namespace {

class InstanceNoise final : public Filter {
 public:
  explicit InstanceNoise(const InstanceNoiseConfig& config) : config_(config) {}
  void apply(Showing& showing, const Judge& judge) override {
    using nets::Source;
    const double deviation = noise_deviation(config_, showing.iteration);
    if (deviation <= 0) return;
    const auto source = showing.range.source;
    const bool is_real = source == Source::d_real || source == Source::g_real;
    const int64_t index = source == Source::g_real || source == Source::g_fake ? 1 : 0;
    const Draw draw{is_real ? Purpose::noise_real : Purpose::noise_fake, showing.step, index};
    const auto noise = nets::normal_rows(judge.rng(), draw, showing.range, elements_of_row(showing.samples));
    showing.samples = showing.samples + as_pixels((noise * deviation).to(judge.type()), showing.samples);
  }

 private:
  InstanceNoiseConfig config_;
};

}  // namespace

void describe(config::Fields& fields, InstanceNoiseConfig& c) {
  fields.number("instance_noise", c.deviation, "standard deviation of the noise on everything that D sees; 0 = off").at_least(0);
  fields.integer("instance_noise_steps", c.anneal_steps, "iterations in which it falls to 0; 0 = constant").at_least(0);
}

double noise_deviation(const InstanceNoiseConfig& config, int64_t iteration) {
  if (config.anneal_steps == 0) return config.deviation;
  return config.deviation * std::max(0.0, 1.0 - static_cast<double>(iteration) / static_cast<double>(config.anneal_steps));
}

std::unique_ptr<Filter> make_instance_noise(const InstanceNoiseConfig& config) { return std::make_unique<InstanceNoise>(config); }

}  // namespace ganymede::gan
