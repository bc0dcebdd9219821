// Reads values of a JSON object by key; its messages say where in which file something is wrong. For manifest.json.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "core/error.hpp"

namespace ganymede::data {

using Json = nlohmann::ordered_json;

/// Throws Error(Fault::bad_data). `json` outlives it.
class JsonReading {
 public:
  /// where: what stands before a key in messages, "" for the whole file, "shards[3]." for a part of it.
  JsonReading(const Json& json, std::filesystem::path path, std::string where)
      : json_(json), path_(std::move(path)), where_(std::move(where)) {
    if (!json.is_object()) throw Error(Fault::bad_data, "{}: {} is no JSON object", path_.string(), where_.empty() ? "the file" : where_);
  }
  Error wrong(const std::string& key, const std::string& why) const {
    return Error(Fault::bad_data, "{}: {}{} {}", path_.string(), where_, key, why)
        .remedy("build the data set again, or correct the manifest");
  }
  template <typename T>
  T get(const std::string& key) const {
    return convert<T>(key, at(key));
  }
  template <typename T>
  std::optional<T> get_or_null(const std::string& key) const {
    const Json& value = at(key);
    if (value.is_null()) return std::nullopt;
    return convert<T>(key, value);
  }
  bool has(const std::string& key) const { return json_.contains(key); }
  const Json& at(const std::string& key) const {
    const auto found = json_.find(key);
    if (found == json_.end()) throw wrong(key, "is missing");
    return *found;
  }
  /// The object below a key.
  JsonReading below(const std::string& key) const { return {at(key), path_, where_ + key + "."}; }

 private:
  template <typename T>
  T convert(const std::string& key, const Json& value) const {
    if constexpr (std::is_same_v<T, std::string>) {
      if (!value.is_string()) throw wrong(key, "must be a text");
      return value.get<std::string>();
    } else if constexpr (std::is_same_v<T, int64_t>) {
      const bool fits = value.is_number_unsigned() ? value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX) : value.is_number_integer();
      if (!fits) throw wrong(key, "must be an integer");
      return value.get<int64_t>();
    } else if constexpr (std::is_same_v<T, double>) {
      if (!value.is_number()) throw wrong(key, "must be a number");
      return value.get<double>();
    } else {
      if (!value.is_array()) throw wrong(key, "must be a list");
      T list;
      for (const auto& element : value) list.push_back(convert<typename T::value_type>(key, element));
      return list;
    }
  }

  const Json& json_;
  std::filesystem::path path_;
  std::string where_;
};

}  // namespace ganymede::data
