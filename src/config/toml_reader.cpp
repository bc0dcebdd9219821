#include "config/toml_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

#include "core/error.hpp"

namespace ganymede::config {
namespace {

/// Thrown where toml++ finds its own expectations of the text broken.
struct ParserStumbled {};
[[noreturn]] void stumble() { throw ParserStumbled(); }

}  // namespace
}  // namespace ganymede::config

// Damaged text breaks assertions of toml++ 3.3: they would abort a debug build, and a release build would read on through
// a null pointer. Here they throw, in every build.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(expr) ((expr) ? static_cast<void>(0) : ::ganymede::config::stumble())
#define TOML_MAX_NESTED_VALUES 64
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

namespace ganymede::config {
namespace {

std::string type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::array: return "an array";
    case toml::node_type::table: return "a table";
    case toml::node_type::date: return "a date";
    case toml::node_type::time: return "a time";
    case toml::node_type::date_time: return "a date and time";
    default: return "nothing";
  }
}

Value to_value(const toml::node& node) {
  if (const auto* v = node.as_boolean()) return v->get();
  if (const auto* v = node.as_integer()) return v->get();
  if (const auto* v = node.as_floating_point()) return v->get();
  if (const auto* v = node.as_string()) return v->get();
  return Other{type_name(node)};
}

void collect(const toml::table& table, std::vector<std::string>& path, std::vector<TomlEntry>& out) {
  for (const auto& [key, node] : table) {
    path.emplace_back(key.str());
    const auto line = static_cast<int64_t>(key.source().begin.line);
    if (const auto* inner = node.as_table()) {
      out.push_back({path, std::nullopt, line});
      collect(*inner, path, out);
    } else {
      out.push_back({path, to_value(node), line});
    }
    path.pop_back();
  }
}

/// Walks over one string or comment that starts at `at`; returns the place after it, counting lines.
size_t skip_quoted(const std::string& text, size_t at, int64_t& line) {
  const char mark = text[at];
  if (mark == '#') return std::min(text.find('\n', at), text.size());
  const std::string three(3, mark);
  const bool many_lines = text.compare(at, 3, three) == 0;
  at += many_lines ? 3 : 1;
  while (at < text.size()) {
    if (text[at] == '\n') {
      if (!many_lines) return at;  // never closed: the parser will say so
      ++line;
    } else if (text[at] == '\\' && mark == '"') {
      if (at + 1 < text.size() && text[at + 1] == '\n') ++line;
      ++at;
    } else if (many_lines ? text.compare(at, 3, three) == 0 : text[at] == mark) {
      return at + (many_lines ? 3 : 1);
    }
    ++at;
  }
  return text.size();
}

// toml++ bounds nested arrays and inline tables, not the length of a dotted key: each part is a table within the last,
// built, walked and destroyed by recursion, and half a MiB of "a.a.a…" overflows the stack.
void check_dotted_depth(const std::string& text, const std::string& name) {
  int64_t line = 1;
  int parts = 1;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"' || c == '\'' || c == '#') {
      at = skip_quoted(text, at, line);
      continue;
    }
    if (c == '\n') ++line;
    if (c == '.') {
      if (++parts > most_dotted_parts)
        throw Error(Fault::recipe, "{}:{}: a key of more than {} parts", name, line, most_dotted_parts)
            .remedy("no key of a recipe has more than three parts: [optimizer.generator], lr");
    } else if (std::strchr("=,[]{}\n", c) != nullptr && c != '\0') {
      parts = 1;
    }
    ++at;
  }
}

bool stumbles(std::string_view text) {
  try {
    static_cast<void>(toml::parse(text));
  } catch (const ParserStumbled&) {
    return true;
  } catch (const toml::parse_error&) {
  }
  return false;
}

/// The line that stops the parser, which does not tell: the fewest lines over which it stumbles.
int64_t stumbling_line(std::string_view text) {
  std::vector<size_t> ends;
  for (size_t at = 0; (at = text.find('\n', at)) != std::string_view::npos;) ends.push_back(++at);
  const auto first = std::partition_point(ends.begin(), ends.end(), [&](size_t end) { return !stumbles(text.substr(0, end)); });
  return first - ends.begin() + 1;
}

toml::table parse_checked(const std::string& text, const std::string& name) {
  if (text.size() > largest_recipe_bytes)
    throw Error(Fault::recipe, "{}: more than {} bytes", name, largest_recipe_bytes).remedy("name a recipe: TOML text of a few KiB");
  check_dotted_depth(text, name);
  try {
    return toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    throw Error(Fault::recipe, "{}:{}: {}", name, error.source().begin.line, error.description());
  } catch (const ParserStumbled&) {
    throw Error(Fault::recipe, "{}:{}: this is not TOML", name, stumbling_line(text));
  }
}

bool is_bare(const std::string& part) {
  return !part.empty() && std::all_of(part.begin(), part.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

}  // namespace

std::string read_recipe_file(const std::filesystem::path& file) {
  std::error_code problem;
  const auto status = std::filesystem::status(file, problem);
  if (!std::filesystem::exists(status)) {
    const std::string cause = problem ? problem.message() : "no such file";
    throw Error(Fault::recipe, "recipe '{}' cannot be read", file.string())
        .cause("{}", cause)
        .remedy("check the path; the shipped recipes are in launch/recipes");
  }
  // A pipe could be read once only, and only by one of the ranks.
  if (!std::filesystem::is_regular_file(status))
    throw Error(Fault::recipe, "recipe '{}' cannot be read", file.string())
        .cause("it is not a regular file")
        .remedy("name the .toml file itself");
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  std::string text(largest_recipe_bytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream.eof() && !stream.good())
    throw Error(Fault::recipe, "recipe '{}' cannot be read", file.string()).cause("{}", std::strerror(errno)).remedy("check its permissions");
  text.resize(static_cast<size_t>(stream.gcount()));
  return text;
}

std::vector<TomlEntry> parse_toml(const std::string& text, const std::string& name) {
  const toml::table table = parse_checked(text, name);
  std::vector<TomlEntry> entries;
  std::vector<std::string> path;
  collect(table, path, entries);
  std::stable_sort(entries.begin(), entries.end(), [](const TomlEntry& a, const TomlEntry& b) { return a.line < b.line; });
  return entries;
}

std::optional<Value> parse_toml_value(const std::string& text) {
  try {
    const toml::table table = parse_checked("value = " + text, "--set");
    // More than one key: the text held a line break and a second assignment.
    if (table.size() != 1) return std::nullopt;
    return to_value(table.begin()->second);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string dotted(const std::vector<std::string>& path) {
  std::string out;
  for (const auto& part : path) {
    if (!out.empty()) out += '.';
    out += is_bare(part) ? part : to_toml(Value(part));
  }
  return out;
}

}  // namespace ganymede::config
