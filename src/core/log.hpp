// The program's log: lines for people. Rank 0 and every rank's warnings go to standard error; each rank's own file gets all.
// Standard output is never written here: it belongs to results.
#pragma once
#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace ganymede::log {

enum class Level { debug, info, warning, error };

/// Who speaks; call once when rank and host are known. Until then lines carry no rank and go to standard error.
void set_rank(int rank, int world_size);
/// From now on lines also go to `file` (appended), whatever their level.
void open_file(const std::filesystem::path& file);
void write(Level level, std::string_view text);

template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}
/// Only to the rank's file.
template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace ganymede::log
