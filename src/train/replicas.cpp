#include "train/replicas.hpp"

#include <set>

namespace ganymede::train {
namespace {

using parallel::FlatNetwork;
using parallel::Replicated;

at::Tensor piece(const at::Tensor& flat, const FlatNetwork::Slot& slot) { return flat.narrow(0, slot.offset, slot.parameter.numel()); }

void add_network(std::vector<Replicated>& all, const std::string& group, const FlatNetwork& flat, bool with_running_statistics) {
  std::set<std::string> trained;
  for (const auto& slot : flat.slots()) {
    trained.insert(slot.name);
    all.push_back({group + "/" + slot.name, piece(flat.weights().parameters, slot)});
  }
  for (const auto& item : flat.network()->named_parameters())
    if (!trained.contains(item.key())) all.push_back({group + "/" + item.key(), item.value().detach()});
  for (const auto& item : flat.network()->named_buffers()) {
    const bool is_running = item.key().ends_with("running_mean") || item.key().ends_with("running_var");
    if (with_running_statistics || !is_running) all.push_back({group + "/" + item.key(), item.value()});
  }
}

void add_flat(std::vector<Replicated>& all, const std::string& group, const FlatNetwork& flat, const at::Tensor& tensor) {
  if (!tensor.defined()) return;  // a moment that this kind of optimizer does not have
  for (const auto& slot : flat.slots()) all.push_back({group + "/" + slot.name, piece(tensor, slot)});
}

}  // namespace

std::vector<Replicated> replicated_tensors(const ReplicaParts& parts) {
  std::vector<Replicated> all;
  add_network(all, "generator", parts.generator, parts.has_global_batch_norm);
  add_network(all, "discriminator", parts.discriminator, parts.has_global_batch_norm);
  add_network(all, "average", parts.average, parts.has_global_batch_norm);
  add_flat(all, "optimizer/generator/exp_avg", parts.generator, parts.generator_optimizer.exp_avg());
  add_flat(all, "optimizer/generator/exp_avg_sq", parts.generator, parts.generator_optimizer.exp_avg_sq());
  add_flat(all, "optimizer/discriminator/exp_avg", parts.discriminator, parts.discriminator_optimizer.exp_avg());
  add_flat(all, "optimizer/discriminator/exp_avg_sq", parts.discriminator, parts.discriminator_optimizer.exp_avg_sq());
  for (const auto& state : parts.step.flat_state())
    add_flat(all, fmt::format("tricks/{}/{}", state.name, gan::name_of(state.player)), state.player == gan::Player::generator ? parts.generator : parts.discriminator,
             state.tensor);
  return all;
}

std::string replicated_counters(const ReplicaParts& parts) {
  State state;
  parts.step.save(state);
  std::string text = fmt::format("{} {} {}", parts.step.iterations_done(), parts.generator_optimizer.steps_done(), parts.discriminator_optimizer.steps_done());
  for (const auto& [group, values] : state.attributes)
    for (const auto& [name, value] : values) text += std::visit([&](const auto& v) { return fmt::format(" {} {} {}", group, name, v); }, value);
  return text;
}

}  // namespace ganymede::train
