// SHA-256 as lowercase hex, as manifests and checkpoints carry it.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

namespace ganymede::storage {

/// Reads the file piece by piece. Throws Error: bad_data if it is missing or unreadable, io if the device fails.
std::string sha256_file(const std::filesystem::path& path);
/// Of the file that this process runs; read once.
const std::string& sha256_of_program();
std::string sha256_text(std::string_view text);

}  // namespace ganymede::storage
