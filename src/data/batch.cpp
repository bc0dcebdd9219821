#include "data/batch.hpp"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <array>

#include "core/error.hpp"

namespace ganymede::data {
namespace {

constexpr int64_t grain = int64_t{1} << 16;

// There are 256 pixel values: a table is exact in every precision, and cheaper than arithmetic in two.
template <typename T>
void scale(const uint8_t* pixels, T* out, int64_t count) {
  std::array<T, 256> table;
  for (int v = 0; v < 256; ++v) table[static_cast<size_t>(v)] = static_cast<T>(v / 127.5 - 1.0);
  at::parallel_for(0, count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = table[pixels[i]];
  });
}

}  // namespace

Batch empty_batch(const Manifest& manifest, int64_t count) {
  auto sizes = manifest.shape;
  sizes.insert(sizes.begin(), count);
  Batch batch{.samples = at::empty(sizes, at::TensorOptions().dtype(manifest.is_points() ? at::kFloat : at::kByte)),
              .labels = {},
              .real_index = at::empty({count}, at::TensorOptions().dtype(at::kLong))};
  if (manifest.classes) batch.labels = at::empty({count}, at::TensorOptions().dtype(at::kInt));
  else if (manifest.attributes)
    batch.labels = at::empty({count, static_cast<int64_t>(manifest.attributes->size())}, at::TensorOptions().dtype(at::kByte));
  return batch;
}

at::Tensor to_network_input(const at::Tensor& samples, at::ScalarType precision) {
  if (samples.scalar_type() != at::kByte) return samples.to(precision);
  if (samples.dim() != 4 && samples.dim() != 5) throw Error(Fault::bug, "stored images have 4 dimensions and videos 5, not {}", samples.dim());
  const auto stored = samples.contiguous();
  auto out = at::empty(stored.sizes(), at::TensorOptions().dtype(precision));
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kBFloat16, at::kHalf, precision, "to_network_input", [&] {
    scale(stored.const_data_ptr<uint8_t>(), out.mutable_data_ptr<scalar_t>(), stored.numel());
  });
  return samples.dim() == 4 ? out.permute({0, 3, 1, 2}) : out.permute({0, 4, 1, 2, 3});
}

at::Tensor to_network_input(const Batch& batch, at::ScalarType precision) { return to_network_input(batch.samples, precision); }

}  // namespace ganymede::data
