#include "gan/pixels.hpp"

#include <ATen/ops/gather.h>
#include <ATen/ops/reshape.h>

#include <vector>

namespace ganymede::gan {

at::Tensor per_sample(const at::Tensor& values, const at::Tensor& x) {
  std::vector<int64_t> shape(x.dim(), 1);
  shape[0] = x.size(0);
  return values.to(x.device(), x.scalar_type()).reshape(shape);
}

at::Tensor take_pixels(const at::Tensor& x, const at::Tensor& index) {
  const int64_t rows = x.size(0), pixels = x.size(-2) * x.size(-1);
  if (rows == 0) return x;
  const auto planes = x.reshape({rows, -1, pixels});  // a view in either memory format
  const auto taken = planes.gather(2, index.reshape({rows, 1, pixels}).expand(planes.sizes()));
  return taken.reshape(x.sizes()).contiguous(x.suggest_memory_format());
}

}  // namespace ganymede::gan
