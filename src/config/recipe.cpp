#include "config/recipe.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "config/toml_reader.hpp"
#include "core/error.hpp"

namespace ganymede::config {
namespace {

std::vector<std::string> parent(const std::vector<std::string>& path) { return {path.begin(), path.end() - 1}; }

/// All sections with their fields, and the rules by which an entry finds its field.
class Reader {
 public:
  Reader(const std::vector<Section>& sections, Mistakes& mistakes) : mistakes_(mistakes) {
    for (const Section& section : sections) {
      names_.push_back(section.name);
      section.describe(fields_[section.name]);
    }
  }

  void take(const Source::Entry& entry) {
    if (is_below_reported(entry.path)) return;
    const std::string name = dotted(entry.path);
    if (!entry.value && (fields_.contains(name) || is_prefix(name))) return;
    const std::string section = dotted(parent(entry.path));
    const std::string& key = entry.path.back();
    if (const auto found = fields_.find(section); found != fields_.end()) {
      if (Field* field = found->second.find(key))
        assign(*field, entry, name);
      else
        unknown_key(entry, section, key);
    } else if (entry.value && (section.empty() || is_prefix(section))) {
      unknown_key(entry, section, key);
    } else {
      unknown_section(entry, entry.value ? section : name);
    }
  }

 private:
  void assign(Field& field, const Source::Entry& entry, const std::string& name) {
    if (!entry.value) reported_.insert(entry.path);
    if (const auto wrong = field.assign(entry.value.value_or(Other{"a table"}))) mistakes_.add(entry.where, name + " " + *wrong);
  }

  void unknown_key(const Source::Entry& entry, const std::string& section, const std::string& key) {
    if (!entry.value) reported_.insert(entry.path);
    std::string text = fmt::format("unknown key '{}' {}", key, section.empty() ? "outside of all sections" : "in [" + section + "]");
    const auto own = fields_.find(section);
    const std::string meant = own == fields_.end() ? "" : nearest(key, own->second.names());
    if (!meant.empty()) {
      text += fmt::format("; did you mean '{}'?", meant);
    } else {
      std::vector<std::string> elsewhere;
      for (const auto& other : names_)
        if (fields_[other].find(key)) elsewhere.push_back("[" + other + "]");
      if (!elsewhere.empty())
        text += fmt::format("; {} has a key of this name", fmt::join(elsewhere, " or "));
      else if (own != fields_.end())
        text += fmt::format("; it has {}", fmt::join(own->second.names(), ", "));
    }
    mistakes_.add(entry.where, text);
  }

  void unknown_section(const Source::Entry& entry, const std::string& name) {
    reported_.insert(entry.value ? parent(entry.path) : entry.path);
    const std::string meant = nearest(name, names_);
    mistakes_.add(entry.where, fmt::format("unknown section [{}]; {}", name,
                                           meant.empty() ? fmt::format("there are {}", fmt::join(names_, ", "))
                                                         : fmt::format("did you mean [{}]?", meant)));
  }

  bool is_prefix(const std::string& name) const {
    return std::any_of(names_.begin(), names_.end(), [&](const std::string& known) { return known.starts_with(name + "."); });
  }
  /// What stands in an unknown section is not told again, key by key.
  bool is_below_reported(std::vector<std::string> path) const {
    for (path.pop_back(); !path.empty(); path.pop_back())
      if (reported_.contains(path)) return true;
    return false;
  }

  std::vector<std::string> names_;
  std::map<std::string, Fields> fields_;
  std::set<std::vector<std::string>> reported_;
  Mistakes& mistakes_;
};

/// Calls visit(section, field) for all keys in order.
template <typename Visit>
void for_each_field(const std::vector<Section>& sections, const Visit& visit) {
  for (const Section& section : sections) {
    Fields fields;
    section.describe(fields);
    for (const Field& field : fields.list()) visit(section, field);
  }
}

template <typename Comment>
std::string print_with(const std::vector<Section>& sections, const Comment& comment) {
  std::string out;
  for (const Section& section : sections) {
    out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", section.name);
    for_each_field({section}, [&](const Section&, const Field& field) {
      const auto value = field.value();
      const std::string line = value ? fmt::format("{} = {}", field.name(), to_toml(*value)) : fmt::format("# {} is not set", field.name());
      out += fmt::format("{:<36}  # {}\n", line, comment(section.name + "." + field.name(), field));
    });
  }
  return out;
}

}  // namespace

void Mistakes::throw_if_any() const {
  if (!empty()) throw Error(Fault::recipe, "{}", fmt::join(lines_, "\n"));
}

void read(const Source& source, const std::vector<Section>& sections, const std::function<void(Mistakes&)>& further) {
  Mistakes mistakes = source.malformed();
  Reader reader(sections, mistakes);
  for (const auto& entry : source.entries()) reader.take(entry);
  if (further) further(mistakes);
  mistakes.throw_if_any();
}

std::string print(const std::vector<Section>& sections) {
  return print_with(sections, [](const std::string&, const Field& field) { return field.help(); });
}

std::string print_with_origin(const Source& source, const std::vector<Section>& sections) {
  return print_with(sections, [&](const std::string& key, const Field&) { return source.origin(key); });
}

std::string get(const std::vector<Section>& sections, std::string_view key) {
  std::optional<std::string> found;
  for_each_field(sections, [&](const Section& section, const Field& field) {
    if (section.name + "." + field.name() != key) return;
    const auto value = field.value();
    found = value ? to_toml(*value) : "";
  });
  if (!found) throw Error(Fault::bug, "no recipe key '{}' is described", key);
  return *found;
}

std::vector<std::string> differing_keys(const std::vector<Section>& a, const std::vector<Section>& b) {
  std::map<std::string, std::optional<Value>> of_a;
  for_each_field(a, [&](const Section& section, const Field& field) { of_a[section.name + "." + field.name()] = field.value(); });
  std::vector<std::string> out;
  for_each_field(b, [&](const Section& section, const Field& field) {
    const std::string key = section.name + "." + field.name();
    if (of_a.at(key) != field.value()) out.push_back(key);
  });
  return out;
}

}  // namespace ganymede::config
