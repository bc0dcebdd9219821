#include "gan/classes.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <numeric>

#include "gan/class_planes.hpp"

namespace ganymede::gan {

using Labels = nets::FakeLabels;

ClassPolicy::ClassPolicy(const nets::ConditionalConfig& config, std::vector<int64_t> counts) : config_(config), counts_(std::move(counts)) {}

at::Tensor ClassPolicy::for_discriminator(const RealBatch& reals, const Rng& rng, int64_t d_step) const {
  if (!is_on()) return {};
  if (config_.fake_labels == Labels::real) return reals.labels;
  return draw(config_.fake_labels, reals.share, rng, d_step, 0);
}

at::Tensor ClassPolicy::for_generator(const Share& share, const Rng& rng, int64_t g_step) const {
  return is_on() ? draw(config_.generator_labels, share, rng, g_step, 1) : at::Tensor();
}

at::Tensor ClassPolicy::join(const at::Tensor& z, const at::Tensor& labels) const {
  return is_on() ? at::cat({z, one_hot(labels, static_cast<int64_t>(counts_.size()), z.scalar_type())}, 1) : z;
}

// uniform: (word·K) >> 32; empirical: the first class whose cumulated count exceeds (word·n) >> 32.
at::Tensor ClassPolicy::draw(Labels how, const Share& share, const Rng& rng, int64_t step, int64_t index) const {
  auto labels = at::empty({share.rows}, at::kLong);
  auto* out = labels.data_ptr<int64_t>();
  std::vector<int64_t> ends(counts_.size());
  std::partial_sum(counts_.begin(), counts_.end(), ends.begin());
  const auto below = [](uint64_t word, int64_t n) { return static_cast<int64_t>((word * static_cast<uint64_t>(n)) >> 32); };
  for (int64_t i = 0; i < share.rows; ++i) {
    const uint64_t word = rng.words(Draw{Purpose::labels, step, index}, share.first_place + i, 0)[0];
    out[i] = how == Labels::uniform ? below(word, static_cast<int64_t>(counts_.size()))
                                    : std::upper_bound(ends.begin(), ends.end(), below(word, ends.back())) - ends.begin();
  }
  return labels;
}

}  // namespace ganymede::gan
