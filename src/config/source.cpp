// What the user wrote: the file's values and those of --set, before anyone knows what they mean.
#include <fmt/format.h>

#include <algorithm>

#include "config/recipe.hpp"
#include "config/toml_reader.hpp"

namespace ganymede::config {
namespace {

constexpr const char* set_form = "--set takes section.key=value, as in --set run.steps=2000";

std::vector<std::string> split_at_dots(std::string_view key) {
  std::vector<std::string> parts(1);
  for (const char c : key) {
    if (c == '.')
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

const Source::Entry* Source::find(std::string_view key) const {
  const auto path = split_at_dots(key);
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.value && entry.path == path; });
  return found == entries_.end() ? nullptr : &*found;
}

std::string Source::origin(std::string_view key) const {
  const Entry* entry = find(key);
  return entry ? entry->origin : "default";
}

std::string Source::where(std::string_view key) const {
  const Entry* entry = find(key);
  return entry ? entry->where : "";
}

void Source::override_with(const std::string& assignment) {
  const std::string where = "--set " + assignment;
  const auto equals = assignment.find('=');
  const auto path = split_at_dots(trimmed(assignment.substr(0, equals)));
  const bool has_empty_part = std::any_of(path.begin(), path.end(), [](const std::string& part) { return part.empty(); });
  if (equals == std::string::npos || path.size() < 2 || path.size() > most_dotted_parts || has_empty_part) {
    malformed_.add(where, set_form);
    return;
  }
  const std::string text = trimmed(assignment.substr(equals + 1));
  auto value = parse_toml_value(text);
  if (!value) value = text;
  // The parser also judges whether a bare string is UTF-8: the resolved recipe must be TOML again.
  if (const auto* bare = std::get_if<std::string>(&*value); bare && !parse_toml_value(to_toml(*bare))) {
    malformed_.add("--set " + dotted(path), "the value is not UTF-8, or too long");
    return;
  }
  std::erase_if(entries_, [&](const Entry& entry) { return entry.value && entry.path == path; });
  entries_.push_back({path, value, "--set", where});
}

void Source::drop_replaced(const ExclusiveKeys& exclusive) {
  const auto drop_if_replaced = [&](const std::string& key, const std::string& by) {
    if (origin(by) == "--set" && is_set(key) && origin(key) != "--set")
      std::erase_if(entries_, [path = split_at_dots(key)](const Entry& entry) { return entry.path == path; });
  };
  for (const auto& [one, other] : exclusive) {
    drop_if_replaced(one, other);
    drop_if_replaced(other, one);
  }
}

Source parse(const std::string& text, const std::string& name, const std::vector<std::string>& sets, const ExclusiveKeys& exclusive) {
  Source source;
  for (TomlEntry& entry : parse_toml(text, name)) {
    const std::string place = fmt::format("{}:{}", name, entry.line);
    source.entries_.push_back({std::move(entry.path), std::move(entry.value), place, place});
  }
  for (const std::string& assignment : sets) source.override_with(assignment);
  source.drop_replaced(exclusive);
  return source;
}

Source load(const std::filesystem::path& file, const std::vector<std::string>& sets, const ExclusiveKeys& exclusive) {
  return parse(read_recipe_file(file), file.string(), sets, exclusive);
}

}  // namespace ganymede::config
