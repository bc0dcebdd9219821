// A whole file or none of it: what a reader of a running job sees is never half written.
#pragma once
#include <filesystem>
#include <string_view>

namespace ganymede::report {

/// Throws the Error that fits errno: Fault::cannot_write (no space, no permission, no such folder), else Fault::io.
[[noreturn]] void throw_file_error(const char* action, const std::filesystem::path& file, int error_number);

/// Writes all bytes to an open descriptor, however often the system takes only a part. `file` is named in errors.
void write_all(int descriptor, std::string_view bytes, const std::filesystem::path& file);

/// Writes a temporary file beside `file`, syncs it, renames it, syncs the folder. Nothing is left behind on failure.
void write_file_atomically(const std::filesystem::path& file, std::string_view bytes);

/// Removes the temporary files that a process killed while writing left in `folder`. None may be in the making.
void remove_leftovers(const std::filesystem::path& folder);

}  // namespace ganymede::report
