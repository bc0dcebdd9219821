#include "data/mixture.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.hpp"

namespace ganymede::data {
namespace {

constexpr int64_t first_normal = 4;  // elements 0..3 are the block that picks the component

}  // namespace

std::vector<double> Mixture::shares() const {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<double> list;
  for (const double weight : weights) list.push_back(weight / sum);
  return list;
}

Mixture Mixture::divided_by(double scale) const {
  Mixture out = *this;
  for (auto& centre : out.centres)
    for (double& value : centre) value /= scale;
  for (double& value : out.sd) value /= scale;
  return out;
}

MixturePoints::MixturePoints(Mixture mixture) : mixture_(std::move(mixture)) {
  const double sum = std::accumulate(mixture_.weights.begin(), mixture_.weights.end(), 0.0);
  if (!(sum > 0) || mixture_.weights.size() != mixture_.centres.size() || mixture_.sd.size() != mixture_.centres.size())
    throw Error(Fault::bug, "a mixture of {} components, {} weights that sum to {}", mixture_.components(), mixture_.weights.size(), sum);
  double end = 0;
  for (const double weight : mixture_.weights) {
    end += weight;
    ends_.push_back(static_cast<uint64_t>(std::ceil(end / sum * 0x1p32)));
  }
}

int32_t MixturePoints::component(uint32_t word) const {
  return static_cast<int32_t>(std::upper_bound(ends_.begin(), ends_.end(), uint64_t{word}) - ends_.begin());
}

at::Tensor MixturePoints::pick(const Rng& rng, const Draw& draw, int64_t first_place, int64_t count) const {
  auto picked = at::empty({count}, at::TensorOptions().dtype(at::kInt));
  auto* to = picked.mutable_data_ptr<int32_t>();
  for (int64_t i = 0; i < count; ++i) to[i] = component(rng.words(draw, first_place + i, 0)[0]);
  return picked;
}

at::Tensor MixturePoints::points(const Rng& rng, const Draw& draw, int64_t first_place, const at::Tensor& components) const {
  const int64_t count = components.numel(), dims = mixture_.dims();
  const auto normals = rng.normal(draw, first_place, count, dims, first_normal);
  const double* normal = normals.const_data_ptr<double>();
  const auto* component = components.const_data_ptr<int32_t>();
  auto out = at::empty({count, dims}, at::TensorOptions().dtype(at::kFloat));
  auto* to = out.mutable_data_ptr<float>();
  for (int64_t i = 0; i < count; ++i) {
    const auto k = static_cast<size_t>(component[i]);
    for (int64_t axis = 0; axis < dims; ++axis)
      to[i * dims + axis] = static_cast<float>(mixture_.centres[k][static_cast<size_t>(axis)] + mixture_.sd[k] * normal[i * dims + axis]);
  }
  return out;
}

}  // namespace ganymede::data
