// Taking back what was saved: a value or tensor that is not there is a damaged checkpoint.
#pragma once
#include <string>

#include "core/error.hpp"
#include "core/state.hpp"

namespace ganymede {

template <typename T>
T saved_value(const State& state, const std::string& group, const std::string& name) {
  const auto found = state.attributes.find(group);
  const T* value = found != state.attributes.end() && found->second.contains(name) ? std::get_if<T>(&found->second.at(name)) : nullptr;
  if (!value) throw Error(Fault::bad_data, "the checkpoint holds no '{}' of '{}'", name, group);
  return *value;
}

inline at::Tensor saved_tensor(const State& state, const std::string& name) {
  const auto found = state.tensors.find(name);
  if (found == state.tensors.end()) throw Error(Fault::bad_data, "the checkpoint holds no tensor '{}'", name);
  return found->second;
}

}  // namespace ganymede
