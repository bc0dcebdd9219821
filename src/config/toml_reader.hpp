// TOML text into a flat list of values with their lines. The only user of toml++, which no other file may include.
// Recipes come from anyone: size and nesting are limited before the parser, which recurses, sees the text.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/fields.hpp"

namespace ganymede::config {

inline constexpr size_t largest_recipe_bytes = 1 << 20;
inline constexpr int most_dotted_parts = 16;

/// One value, or one table (also an empty one, so that an unknown section is seen).
struct TomlEntry {
  std::vector<std::string> path;  // of keys, from the root
  std::optional<Value> value;     // nothing: a table
  int64_t line = 0;               // from 1
};

/// The whole file. Throws Error(Fault::recipe) naming it if it cannot be read or is over 1 MiB.
std::string read_recipe_file(const std::filesystem::path& file);

/// All entries in the order of their lines, a table before what is in it.
/// Throws Error(Fault::recipe) with `name:LINE` for a syntax error, too much text or too deep nesting.
std::vector<TomlEntry> parse_toml(const std::string& text, const std::string& name);

/// One TOML value ("0.5", "true", "'text'"); nothing if `text` is none.
std::optional<Value> parse_toml_value(const std::string& text);

/// A path as TOML writes it: parts joined by dots, in quotes where they need them.
std::string dotted(const std::vector<std::string>& path);

}  // namespace ganymede::config
