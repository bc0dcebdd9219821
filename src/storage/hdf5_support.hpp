// Inside storage only: identifiers, the reason of a failure, and the element types, shared by the reading and the writing half.
#pragma once
#include <hdf5.h>

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "storage/hdf5.hpp"

namespace ganymede::storage {

static_assert(sizeof(hid_t) == sizeof(int64_t), "Handle keeps a hid_t as int64_t: HDF5 1.10 or newer");

/// The innermost entry of HDF5's error stack, and the errno that it names (0 if none).
struct Hdf5Reason {
  std::string text;
  int error_number = 0;
};
Hdf5Reason hdf5_reason();

/// For a call that failed while reading or writing `label`: io or cannot_write where an errno says so, else bad_data or io.
Error hdf5_read_error(const std::string& label, const std::filesystem::path& path);
Error hdf5_write_error(const std::string& label, const std::filesystem::path& path);

/// "samples" and "a/0.weight" as their components; throws Fault::bug for empty ones, "." and "..".
std::vector<std::string> components(const std::string& name);
std::string dataset_label(const std::string& name, const std::filesystem::path& path);

/// The HDF5 type of an element in memory.
hid_t memory_type(at::ScalarType type);
/// The type in memory for a type in a file, of either byte order.
std::optional<at::ScalarType> scalar_type(hid_t file_type);

}  // namespace ganymede::storage
