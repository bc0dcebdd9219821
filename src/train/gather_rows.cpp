#include "train/gather_rows.hpp"

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

namespace ganymede::train {

// Each rank's rows at their place in a tensor of zeros; the sum is exact.
at::Tensor gather_rows(comm::Communicator& communicator, const at::Tensor& own, const char* what, Deadline deadline) {
  if (communicator.size() == 1) return own.contiguous();
  const auto counts = communicator.all_gather(at::full({1}, own.size(0), at::kLong), what, deadline, comm::Channel::control);
  auto shape = own.sizes().vec();
  shape[0] = counts.sum().item<int64_t>();
  auto all = at::zeros(shape, own.options());
  all.narrow(0, counts.narrow(0, 0, communicator.rank()).sum().item<int64_t>(), own.size(0)).copy_(own);
  communicator.all_reduce_sum(all, what, deadline, comm::Channel::control);
  return all;
}

}  // namespace ganymede::train
