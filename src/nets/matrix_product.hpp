// x·wᵀ + b by the faster of two libraries: LibTorch gives float32 products to MKL, whose kernels on CPUs that are not Intel's do
// not use AVX-512; oneDNN's do. [512,128]·[128,128], one thread of a Zen 5: MKL 153 µs, oneDNN 77 µs. Small products stay with MKL.
#pragma once
#include <ATen/core/Tensor.h>

namespace ganymede::nets {

/// x [B,in], w [out,in], b [out] or undefined -> [B,out]; any strides. Records no graph.
at::Tensor matrix_product(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b);

}  // namespace ganymede::nets
