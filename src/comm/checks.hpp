// What every backend demands of its arguments: a wrong call fails at once, by name, and not on another rank.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace ganymede::comm {

/// Each throws Error(Fault::bug) naming the operation.
void check_tensor(const at::Tensor& tensor, const char* operation, const std::string& name);
void check_summable(const at::Tensor& tensor, const std::string& name);
void check_root(int root, int size, const std::string& name);
/// One entry per rank on both sides; what we send to ourselves and what we expect from ourselves are alike.
void check_exchange(const std::vector<at::Tensor>& outgoing, const std::vector<at::Tensor>& incoming, int rank, int size, const std::string& name);

/// Name of this host.
std::string host_name();

}  // namespace ganymede::comm
