#include "config/fields.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace ganymede::config {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (byte < 0x20 || byte == 0x7f)
      out += fmt::format("\\u{:04X}", byte);
    else
      out += c;
  }
  return out + '"';
}

std::string floating(double value) {
  std::string out = fmt::format("{}", value);
  // TOML would read "1" back as an integer.
  if (std::isfinite(value) && out.find_first_of(".e") == std::string::npos) out += ".0";
  return out;
}

std::string bound(double value) { return fmt::format("{}", value); }

std::string shortened(const std::string& shown) { return shown.size() <= 60 ? shown : fmt::format("{}...", shown.substr(0, 57)); }

/// What a value is, for "expected …, not …".
std::string described(const Value& value) {
  if (const auto* other = std::get_if<Other>(&value)) return other->what;
  static constexpr std::string_view kinds[] = {"the flag", "the integer", "the number", "the text"};
  return fmt::format("{} {}", kinds[value.index()], shortened(to_toml(value)));
}

/// Levenshtein's distance, two neighbours swapped counting as one slip.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

template <typename T>
std::function<std::optional<Value>()> getter(std::optional<T>& target) {
  return [&target]() -> std::optional<Value> {
    if (!target) return std::nullopt;
    return Value(*target);
  };
}

double as_number(const Value& value) {
  const auto* whole = std::get_if<int64_t>(&value);
  return whole ? static_cast<double>(*whole) : std::get<double>(value);
}

}  // namespace

std::string to_toml(const Value& value) {
  struct Printer {
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(int64_t v) const { return fmt::format("{}", v); }
    std::string operator()(double v) const { return floating(v); }
    std::string operator()(const std::string& v) const { return quoted(v); }
    std::string operator()(const Other& v) const { return v.what; }
  };
  return std::visit(Printer{}, value);
}

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
  if (word.size() > 100) return {};  // no slip of the pen, and the distance costs the product of the lengths
  std::string best;
  size_t best_distance = std::numeric_limits<size_t>::max();
  for (const auto& candidate : known) {
    const size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  const size_t longer = std::max(word.size(), best.size());
  return best_distance <= std::max<size_t>(longer / 3, 1) && best_distance < longer ? best : std::string();
}

Field& Field::at_least(double b) {
  at_least_ = b;
  return *this;
}
Field& Field::at_most(double b) {
  at_most_ = b;
  return *this;
}
Field& Field::above(double b) {
  above_ = b;
  return *this;
}
Field& Field::below(double b) {
  below_ = b;
  return *this;
}

std::string Field::help() const {
  std::vector<std::string> limits;
  if (type_ == Type::choice) limits.push_back(fmt::format("{}", fmt::join(choices_, " | ")));
  if (above_) limits.push_back("> " + bound(*above_));
  if (at_least_) limits.push_back(">= " + bound(*at_least_));
  if (below_) limits.push_back("< " + bound(*below_));
  if (at_most_) limits.push_back("<= " + bound(*at_most_));
  return limits.empty() ? help_ : fmt::format("{} ({})", help_, fmt::join(limits, ", "));
}

std::optional<std::string> Field::outside_bounds(double value, const std::string& shown) const {
  if (at_least_ && value < *at_least_) return fmt::format("must be at least {}, not {}", bound(*at_least_), shown);
  if (at_most_ && value > *at_most_) return fmt::format("must be at most {}, not {}", bound(*at_most_), shown);
  if (above_ && value <= *above_) return fmt::format("must be above {}, not {}", bound(*above_), shown);
  if (below_ && value >= *below_) return fmt::format("must be below {}, not {}", bound(*below_), shown);
  return std::nullopt;
}

std::optional<std::string> Field::assign(const Value& value) {
  const bool whole = std::holds_alternative<int64_t>(value);
  switch (type_) {
    case Type::integer:
      if (!whole) return fmt::format("expected an integer, not {}", described(value));
      if (auto wrong = outside_bounds(as_number(value), to_toml(value))) return wrong;
      break;
    case Type::number:
      if (!whole && !std::holds_alternative<double>(value)) return fmt::format("expected a number, not {}", described(value));
      if (!std::isfinite(as_number(value))) return fmt::format("must be finite, not {}", to_toml(value));
      if (auto wrong = outside_bounds(as_number(value), to_toml(value))) return wrong;
      break;
    case Type::flag:
      if (!std::holds_alternative<bool>(value)) return fmt::format("expected true or false, not {}", described(value));
      break;
    case Type::text:
      if (!std::holds_alternative<std::string>(value)) return fmt::format("expected text in quotes, not {}", described(value));
      break;
    case Type::choice: {
      const auto* word = std::get_if<std::string>(&value);
      const std::string all = fmt::format("{}", fmt::join(choices_, ", "));
      if (!word) return fmt::format("expected one of {} in quotes, not {}", all, described(value));
      if (std::find(choices_.begin(), choices_.end(), *word) == choices_.end()) {
        const std::string meant = nearest(*word, choices_);
        return fmt::format("{} is none of {}{}", shortened(to_toml(value)), all, meant.empty() ? "" : "; did you mean '" + meant + "'?");
      }
      break;
    }
  }
  set_(value);
  return std::nullopt;
}

Field& Fields::add(Field::Type type, std::string_view name, std::string_view help, std::function<std::optional<Value>()> get,
                   std::function<void(const Value&)> set) {
  Field& field = list_.emplace_back();
  field.type_ = type;
  field.name_ = name;
  field.help_ = help;
  field.get_ = std::move(get);
  field.set_ = std::move(set);
  return field;
}

Field& Fields::integer(std::string_view name, int64_t& target, std::string_view help) {
  return add(Field::Type::integer, name, help, [&target] { return Value(target); },
             [&target](const Value& v) { target = std::get<int64_t>(v); });
}
Field& Fields::integer(std::string_view name, std::optional<int64_t>& target, std::string_view help) {
  return add(Field::Type::integer, name, help, getter(target), [&target](const Value& v) { target = std::get<int64_t>(v); });
}
Field& Fields::integer(std::string_view name, uint64_t& target, std::string_view help) {
  return add(Field::Type::integer, name, help, [&target] { return Value(static_cast<int64_t>(target)); },
             [&target](const Value& v) { target = static_cast<uint64_t>(std::get<int64_t>(v)); })
      .at_least(0);
}
Field& Fields::number(std::string_view name, double& target, std::string_view help) {
  return add(Field::Type::number, name, help, [&target] { return Value(target); }, [&target](const Value& v) { target = as_number(v); });
}
Field& Fields::number(std::string_view name, std::optional<double>& target, std::string_view help) {
  return add(Field::Type::number, name, help, getter(target), [&target](const Value& v) { target = as_number(v); });
}
Field& Fields::flag(std::string_view name, bool& target, std::string_view help) {
  return add(Field::Type::flag, name, help, [&target] { return Value(target); }, [&target](const Value& v) { target = std::get<bool>(v); });
}
Field& Fields::text(std::string_view name, std::string& target, std::string_view help) {
  return add(Field::Type::text, name, help, [&target] { return Value(target); },
             [&target](const Value& v) { target = std::get<std::string>(v); });
}
Field& Fields::text(std::string_view name, std::optional<std::string>& target, std::string_view help) {
  return add(Field::Type::text, name, help, getter(target), [&target](const Value& v) { target = std::get<std::string>(v); });
}

Field& Fields::choice_of_words(std::string_view name, std::vector<std::string> words, std::function<std::string()> get,
                               std::function<void(const std::string&)> set, std::string_view help) {
  Field& field = add(Field::Type::choice, name, help, [get = std::move(get)] { return Value(get()); },
                     [set = std::move(set)](const Value& v) { set(std::get<std::string>(v)); });
  field.choices_ = std::move(words);
  return field;
}

Field* Fields::find(std::string_view name) {
  const auto found = std::find_if(list_.begin(), list_.end(), [&](const Field& field) { return field.name_ == name; });
  return found == list_.end() ? nullptr : &*found;
}

std::vector<std::string> Fields::names() const {
  std::vector<std::string> out;
  for (const Field& field : list_) out.push_back(field.name());
  return out;
}

}  // namespace ganymede::config
