#include "gan/update_guard.hpp"

#include <ATen/ops/isfinite.h>

#include "core/saved_values.hpp"

namespace ganymede::gan {
namespace {

constexpr const char* group = "tricks/left_out";

bool is_finite(const at::Tensor& tensor) { return at::isfinite(tensor).all().item<bool>(); }

}  // namespace

UpdateGuard::UpdateGuard(std::shared_ptr<nets::Network> generator, std::shared_ptr<nets::Network> discriminator) {
  for (const auto& [player, network] : {std::pair{Player::generator, generator}, std::pair{Player::discriminator, discriminator}})
    for (const auto& item : network->named_buffers())
      if (item.value().is_floating_point()) buffers_[static_cast<size_t>(player)].push_back({item.key(), item.value(), {}});
}

void UpdateGuard::made(Player player) {
  if (!is_on_) return;
  for (auto& buffer : buffers_[static_cast<size_t>(player)]) {
    if (buffer.kept.defined())
      buffer.kept.copy_(buffer.now);
    else
      buffer.kept = buffer.now.clone();
  }
}

void UpdateGuard::left_out(Player player) {
  ++counts_[static_cast<size_t>(player)];
  for (const auto which : {Player::generator, Player::discriminator})  // D's passes run through G's samples, and G's through D
    for (auto& buffer : buffers_[static_cast<size_t>(which)]) {
      if (is_finite(buffer.now)) continue;
      if (!buffer.kept.defined() || !is_finite(buffer.kept))
        throw Error(Fault::numeric, "the {}'s {} is not finite, and was not after its last update", name_of(which), buffer.name)
            .remedy("resume from the last checkpoint with a lower learning rate");
      buffer.now.copy_(buffer.kept);
    }
}

void UpdateGuard::save(State& state) const {
  if (is_on_) state.attributes[group] = {{"generator", counts_[0]}, {"discriminator", counts_[1]}};
}

void UpdateGuard::load(const State& state) {
  if (!state.attributes.contains(group)) return;
  counts_ = {saved_value<int64_t>(state, group, "generator"), saved_value<int64_t>(state, group, "discriminator")};
}

}  // namespace ganymede::gan
