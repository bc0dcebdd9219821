// Names of what is being written: `.tmp-NAME-XXXXXXXX` beside the final path, so that the rename stays on one file system.
#pragma once
#include <filesystem>
#include <string>

namespace ganymede::storage {

inline constexpr const char* temporary_prefix = ".tmp-";

/// A fresh name beside `path`; random, so that processes on several hosts do not meet.
std::filesystem::path temporary_beside(const std::filesystem::path& path);

}  // namespace ganymede::storage
