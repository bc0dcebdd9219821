#include "nets/pooling.hpp"

#include <ATen/ATen.h>

namespace ganymede::nets {

at::Tensor Pool::forward(const at::Tensor& x, const Pass&) {
  return kind_ == Kind::average ? at::avg_pool2d(x, {2, 2}, {2, 2}) : at::max_pool2d(x, {2, 2}, {2, 2});
}

at::Tensor GlobalPool::forward(const at::Tensor& x, const Pass&) { return kind_ == Kind::average ? x.mean({2, 3}) : x.sum({2, 3}); }

}  // namespace ganymede::nets
