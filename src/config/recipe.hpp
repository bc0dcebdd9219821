// Recipes: a TOML file and `--set` overrides into the structs of the components, and back into text.
// Knows sections by what the caller lists, never a component by name.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/fields.hpp"

namespace ganymede::config {

/// A section and the function that describes its keys: {"optimizer.generator", [&](Fields& f) { describe(f, c.generator); }}.
/// What `describe` refers to must outlive the section.
struct Section {
  std::string name;
  std::function<void(Fields&)> describe;
};

/// Gathers everything that is wrong, so that a user corrects a recipe once.
class Mistakes {
 public:
  /// where: "FILE:LINE", "--set run.steps=x", or empty.
  void add(const std::string& where, const std::string& what) { lines_.push_back(where.empty() ? what : where + ": " + what); }
  bool empty() const { return lines_.empty(); }
  /// Throws one Error(Fault::recipe), a mistake per line, if there is any.
  void throw_if_any() const;

 private:
  std::vector<std::string> lines_;
};

/// Pairs of keys of which one replaces the other when it is given by --set: {"run.steps", "run.images"}.
using ExclusiveKeys = std::vector<std::pair<std::string, std::string>>;

/// What the user wrote, each value with the place it comes from. Made by `load` or `parse`.
class Source {
 public:
  struct Entry {
    std::vector<std::string> path;  // section's parts, then the key
    std::optional<Value> value;     // nothing: a table
    std::string origin;             // "FILE:LINE" or "--set"
    std::string where;              // "FILE:LINE" or "--set KEY=VALUE"
  };
  const std::vector<Entry>& entries() const { return entries_; }
  const Mistakes& malformed() const { return malformed_; }
  /// Whether "section.key" stands in the file or in a --set, rightly or not.
  bool is_set(std::string_view key) const { return find(key) != nullptr; }
  /// "FILE:LINE", "--set", or "default".
  std::string origin(std::string_view key) const;
  /// For a mistake about this key: "FILE:LINE", "--set KEY=VALUE", or empty where it was not given.
  std::string where(std::string_view key) const;

 private:
  friend Source parse(const std::string&, const std::string&, const std::vector<std::string>&, const ExclusiveKeys&);
  const Entry* find(std::string_view key) const;
  void override_with(const std::string& assignment);
  void drop_replaced(const ExclusiveKeys& exclusive);
  std::vector<Entry> entries_;
  Mistakes malformed_;  // --set arguments of another form, told with all other mistakes
};

/// sets: "section.key=value", value TOML or else a bare string; the last one for a key wins. Setting one key of an exclusive
/// pair removes the file's value of the other; two in the file, or two by --set, are kept for the reader to refuse.
/// Throws Error(Fault::recipe) if the file cannot be read or is no TOML, with FILE:LINE.
Source load(const std::filesystem::path& file, const std::vector<std::string>& sets = {}, const ExclusiveKeys& exclusive = {});
/// The same from text; `name` stands for the file in messages.
Source parse(const std::string& text, const std::string& name, const std::vector<std::string>& sets = {},
             const ExclusiveKeys& exclusive = {});

/// Fills the structs behind `sections`. Finds every mistake (unknown section or key, wrong type, value out of range, malformed
/// --set), calls `further` for what concerns several keys, then throws one Error(Fault::recipe) that lists all, one per line:
///   launch/recipes/mnist.toml:31: unknown key 'bucket_mb' in [parallel]; did you mean 'bucket_mib'?
/// A field whose value was wrong keeps its old value: `further` should ask `is_set` before it misses one.
void read(const Source& source, const std::vector<Section>& sections, const std::function<void(Mistakes&)>& further = {});

/// Every key with its value and its help as a comment: TOML that `parse` and `read` turn into the same values.
/// Optional values that are not set stand as comments.
std::string print(const std::vector<Section>& sections);
/// The same with the place each value comes from, instead of the help.
std::string print_with_origin(const Source& source, const std::vector<Section>& sections);
/// The value of "section.key" as TOML; empty if it is not set. Throws Error(Fault::bug) if there is no such key.
std::string get(const std::vector<Section>& sections, std::string_view key);
/// The keys ("section.key") whose values differ. Both lists describe the same sections.
std::vector<std::string> differing_keys(const std::vector<Section>& a, const std::vector<Section>& b);

}  // namespace ganymede::config
