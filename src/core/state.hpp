// What a run is made of, as names and values: the form in which components give their state to be saved and take it back.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <variant>

namespace ganymede {

struct State {
  /// A name may hold slashes, which become groups of the file; tensors are on the CPU and contiguous.
  std::map<std::string, at::Tensor> tensors;
  using Value = std::variant<int64_t, double, std::string>;
  /// Values that belong to a group of tensors: group name ("" for the whole), then attribute name.
  std::map<std::string, std::map<std::string, Value>> attributes;
};

}  // namespace ganymede
