// How layers reach the other ranks' rows: sums and gathers over ranks as an interface, so that `nets` needs no communicator.
#pragma once
#include <ATen/core/Tensor.h>

namespace ganymede::nets {

/// Reduces over ranks; implemented by `parallel`. Results are bitwise equal on all ranks. Every rank makes the same calls in the
/// same order; tensors are contiguous.
class BatchStatistics {
 public:
  virtual ~BatchStatistics() = default;
  /// This process's place among those that take part.
  virtual int rank() const = 0;
  /// [ranks, …own shape] in rank order.
  virtual at::Tensor all_gather(const at::Tensor& own, const char* what) = 0;
  /// In place.
  virtual void all_reduce_sum(at::Tensor tensor, const char* what) = 0;
};

}  // namespace ganymede::nets
