#include "export/network_file.hpp"

#include <ATen/core/grad_mode.h>
#include <fmt/ranges.h>

#include "core/error.hpp"

namespace ganymede::exporting {
namespace {

// Stored weights of a spectral norm, its u and its v: none of them is a plain layer's.
constexpr std::string_view of_parametrizations = "parametrizations.";

std::string kind_of(const at::Tensor& t) { return fmt::format("{} [{}]", toString(t.scalar_type()), fmt::join(t.sizes(), ",")); }

void put(TensorFile& file, const std::string& prefix, const torch::OrderedDict<std::string, at::Tensor>& tensors) {
  for (const auto& item : tensors)
    if (item.key().find(of_parametrizations) == std::string::npos) file.tensors[prefix + item.key()] = item.value().detach().clone();
}

}  // namespace

TensorFile network_file(nets::Network& network) {
  if (network.is_training()) throw Error(Fault::bug, "the {} is to be written in evaluation mode", network.network_name());
  at::NoGradGuard no_graph;
  TensorFile file;
  put(file, "", network.named_buffers(/*recurse=*/false));
  for (size_t number = 0; number < network.size(); ++number) {
    auto& layer = network.layer(number);
    const auto prefix = fmt::format("{}.", number);
    put(file, prefix, layer.named_parameters());
    put(file, prefix, layer.named_buffers());
    for (const auto& [owner, weight] : layer.scaled_weights()) file.tensors[prefix + owner + "weight"] = weight->next().detach().clone();
  }
  return file;
}

void take_network(const TensorFile& file, nets::Network& network, const std::string& name) {
  at::NoGradGuard no_graph;
  const auto unless = [&](bool is_right, const std::string& what) {
    if (!is_right) throw Error(Fault::bad_data, "{} does not hold this {}", name, network.network_name()).cause("{}", what);
  };
  size_t taken = 0;
  const auto take = [&](const torch::OrderedDict<std::string, at::Tensor>& tensors) {
    for (const auto& item : tensors) {
      const auto found = file.tensors.find(item.key());
      unless(found != file.tensors.end(), fmt::format("it lacks {}", item.key()));
      const auto &given = found->second, &own = item.value();
      unless(given.sizes() == own.sizes() && given.scalar_type() == own.scalar_type(),
             fmt::format("its {} is {}, the network's {}", item.key(), kind_of(given), kind_of(own)));
      at::Tensor(own).copy_(given);
      ++taken;
    }
  };
  take(network.named_parameters());
  take(network.named_buffers());
  unless(taken == file.tensors.size(), fmt::format("it holds {} tensors, the network {}", file.tensors.size(), taken));
}

}  // namespace ganymede::exporting
