#include "comm/checks.hpp"

#include <unistd.h>

#include <array>

#include "comm/sums.hpp"
#include "core/error.hpp"

namespace ganymede::comm {

void check_tensor(const at::Tensor& tensor, const char* operation, const std::string& name) {
  if (!tensor.defined() || !tensor.is_cpu() || !tensor.is_contiguous())
    throw Error(Fault::bug, "{} '{}' needs a contiguous tensor in host memory", operation, name);
}

void check_summable(const at::Tensor& tensor, const std::string& name) {
  check_tensor(tensor, "all_reduce", name);
  if (!can_sum(tensor.scalar_type())) throw Error(Fault::bug, "all_reduce '{}' cannot sum tensors of type {}", name, at::toString(tensor.scalar_type()));
}

void check_root(int root, int size, const std::string& name) {
  if (root < 0 || root >= size) throw Error(Fault::bug, "broadcast '{}' from rank {}, but there are {} ranks", name, root, size);
}

void check_exchange(const std::vector<at::Tensor>& outgoing, const std::vector<at::Tensor>& incoming, int rank, int size, const std::string& name) {
  if (static_cast<int>(outgoing.size()) != size || static_cast<int>(incoming.size()) != size)
    throw Error(Fault::bug, "exchange '{}' has {} outgoing and {} incoming entries for {} ranks", name, outgoing.size(), incoming.size(), size);
  for (const auto* side : {&outgoing, &incoming})
    for (const at::Tensor& tensor : *side)
      if (tensor.defined()) check_tensor(tensor, "exchange", name);
  const at::Tensor& to_self = outgoing[rank];
  const at::Tensor& from_self = incoming[rank];
  if (to_self.defined() != from_self.defined() || (to_self.defined() && to_self.nbytes() != from_self.nbytes()))
    throw Error(Fault::bug, "exchange '{}': rank {} sends itself something else than it expects", name, rank);
}

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

}  // namespace ganymede::comm
