// Describes the keys of one recipe section once; the same description reads, checks, explains and prints them.
// Beside each component stands `void describe(config::Fields& fields, XConfig& c)`, which calls the functions below.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace ganymede::config {

/// A value as it stands in a recipe. `Other` is a TOML value that no key takes (array, table, date); `what` names it.
struct Other {
  std::string what;
  bool operator==(const Other&) const = default;
};
using Value = std::variant<bool, int64_t, double, std::string, Other>;

/// As TOML: doubles shortest with a '.' or an exponent, strings quoted. Parses back to the same value.
std::string to_toml(const Value& value);

/// The word of `known` with the smallest edit distance to `word`; empty if none is near enough to be a slip of the pen.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

/// One key. Made by `Fields`, which the target variable must outlive.
class Field {
 public:
  // Bounds of a number; each may be given once.
  Field& at_least(double bound);
  Field& at_most(double bound);
  Field& above(double bound);
  Field& below(double bound);

  const std::string& name() const { return name_; }
  /// The help, then the choices or bounds: "update rule: adam or sgd", "latents, >= 1".
  std::string help() const;
  /// Nothing for an optional that is not set.
  std::optional<Value> value() const { return get_(); }
  /// Stores the value; or leaves the target alone and returns what is wrong with it ("must be at least 1, not 0").
  std::optional<std::string> assign(const Value& value);

 private:
  friend class Fields;
  enum class Type { integer, number, flag, text, choice };
  std::optional<std::string> outside_bounds(double value, const std::string& shown) const;

  Type type_ = Type::flag;
  std::string name_, help_;
  std::function<std::optional<Value>()> get_;
  std::function<void(const Value&)> set_;  // called with a value of the right type only
  std::vector<std::string> choices_;
  std::optional<double> at_least_, at_most_, above_, below_;
};

class Fields {
 public:
  Field& integer(std::string_view name, int64_t& target, std::string_view help);
  Field& integer(std::string_view name, std::optional<int64_t>& target, std::string_view help);
  /// TOML integers are signed: 0 … 2^63 − 1.
  Field& integer(std::string_view name, uint64_t& target, std::string_view help);
  /// Finite numbers; integers are accepted too.
  Field& number(std::string_view name, double& target, std::string_view help);
  Field& number(std::string_view name, std::optional<double>& target, std::string_view help);
  Field& flag(std::string_view name, bool& target, std::string_view help);
  Field& text(std::string_view name, std::string& target, std::string_view help);
  Field& text(std::string_view name, std::optional<std::string>& target, std::string_view help);

  /// One of several words, each standing for a value of `target`: {{"adam", Kind::adam}, {"sgd", Kind::sgd}}.
  template <typename T>
  Field& choice(std::string_view name, T& target, std::type_identity_t<std::vector<std::pair<std::string_view, T>>> options,
                std::string_view help) {
    std::vector<std::string> words;
    std::vector<T> values;
    for (const auto& [word, value] : options) {
      words.emplace_back(word);
      values.push_back(value);
    }
    const auto get = [&target, words, values]() -> std::string {
      for (size_t i = 0; i < values.size(); ++i)
        if (values[i] == target) return words[i];
      return {};
    };
    const auto set = [&target, words, values](const std::string& word) {
      for (size_t i = 0; i < words.size(); ++i)
        if (words[i] == word) target = values[i];
    };
    return choice_of_words(name, words, get, set, help);
  }

  const std::deque<Field>& list() const { return list_; }
  /// Null if this section has no such key.
  Field* find(std::string_view name);
  std::vector<std::string> names() const;

 private:
  Field& add(Field::Type type, std::string_view name, std::string_view help, std::function<std::optional<Value>()> get,
             std::function<void(const Value&)> set);
  Field& choice_of_words(std::string_view name, std::vector<std::string> words, std::function<std::string()> get,
                         std::function<void(const std::string&)> set, std::string_view help);

  std::deque<Field> list_;  // a deque: the references handed out stay valid
};

}  // namespace ganymede::config
