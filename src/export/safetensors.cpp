#include "export/safetensors.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "core/error.hpp"

namespace ganymede::exporting {
namespace {

static_assert(std::endian::native == std::endian::little, "the numbers of the file are copied as they are");

using Json = nlohmann::json;

constexpr const char* metadata_key = "__metadata__";
constexpr size_t length_bytes = 8;
constexpr size_t most_axes = 8;
constexpr int deepest = 3;  // object, tensor or metadata, list

struct Type {
  const char* name;
  at::ScalarType scalar;
};
constexpr std::array<Type, 4> types = {{{"F32", at::kFloat}, {"F64", at::kDouble}, {"I64", at::kLong}, {"U8", at::kByte}}};

Error unfit(const std::string& file, const std::string& why) {
  return Error(Fault::bad_data, "{} is no safetensors file that can be read", file)
      .cause("{}", why)
      .remedy("name a .safetensors file with F32, F64, I64 or U8 tensors, or fetch it again");
}

// Of two equal keys the parser would keep the last; a file that has any was made to mislead one of its readers.
class StrictKeys {
 public:
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > deepest) is_too_deep = true;
    if (event == Json::parse_event_t::object_start) keys_.emplace_back();
    if (event == Json::parse_event_t::object_end) keys_.pop_back();
    if (event == Json::parse_event_t::key && !keys_.back().insert(parsed.get<std::string>()).second && repeated.empty())
      repeated = parsed.get<std::string>();
    return true;
  }
  bool is_too_deep = false;
  std::string repeated;

 private:
  std::vector<std::set<std::string>> keys_;
};

Json parse_header(std::string_view text, const std::string& file) {
  if (text.empty() || text.front() != '{') throw unfit(file, "its header does not begin with '{'");
  StrictKeys strict;
  Json header;
  try {
    header = Json::parse(text, [&](int depth, Json::parse_event_t event, Json& parsed) { return strict(depth, event, parsed); });
  } catch (const Json::exception& error) {
    throw unfit(file, fmt::format("its header is no JSON: {}", error.what()));
  }
  if (strict.is_too_deep) throw unfit(file, "its header nests deeper than the format does");
  if (!strict.repeated.empty()) throw unfit(file, fmt::format("its header has the key '{}' twice", strict.repeated));
  if (!header.is_object()) throw unfit(file, "its header is no JSON object");
  return header;
}

struct Entry {
  std::string name;
  at::ScalarType type;
  std::vector<int64_t> shape;
  size_t begin, end;
};

size_t natural(const Json& value, const std::string& file, const std::string& what) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))
    throw unfit(file, fmt::format("{} holds something that is no natural number", what));
  return value.get<uint64_t>();
}

// Bytes of a tensor. An axis of 0 makes no numbers, but the others must still be possible.
size_t bytes_of(const Entry& entry, const std::string& file) {
  auto bytes = static_cast<int64_t>(at::elementSize(entry.type));
  bool is_empty = false;
  for (const int64_t extent : entry.shape) {
    is_empty |= extent == 0;
    if (__builtin_mul_overflow(bytes, std::max<int64_t>(extent, 1), &bytes))
      throw unfit(file, fmt::format("the shape of '{}' is impossible", entry.name));
  }
  return is_empty ? 0 : static_cast<size_t>(bytes);
}

Entry read_entry(const std::string& name, const Json& json, const std::string& file) {
  const auto part = [&](const char* key) -> const Json& {
    if (!json.is_object() || json.size() != 3 || !json.contains(key))
      throw unfit(file, fmt::format("the entry of '{}' is not made of dtype, shape and data_offsets", name));
    return json.at(key);
  };
  Entry entry{.name = name, .type = at::kFloat, .shape = {}, .begin = 0, .end = 0};
  const auto& dtype = part("dtype");
  const auto* type = std::find_if(types.begin(), types.end(), [&](const Type& one) { return dtype == one.name; });
  if (type == types.end())
    throw unfit(file, fmt::format("'{}' has the type {}", name, dtype.dump(-1, ' ', true, Json::error_handler_t::replace)));
  entry.type = type->scalar;
  const auto& shape = part("shape");
  if (!shape.is_array() || shape.size() > most_axes)
    throw unfit(file, fmt::format("the shape of '{}' is no list of at most {} numbers", name, most_axes));
  for (const auto& extent : shape)
    entry.shape.push_back(static_cast<int64_t>(natural(extent, file, fmt::format("the shape of '{}'", name))));
  const auto& offsets = part("data_offsets");
  if (!offsets.is_array() || offsets.size() != 2) throw unfit(file, fmt::format("the data_offsets of '{}' are not two numbers", name));
  entry.begin = natural(offsets[0], file, fmt::format("data_offsets of '{}'", name));
  entry.end = natural(offsets[1], file, fmt::format("data_offsets of '{}'", name));
  return entry;
}

// In the order of their places, which must cover the data from the first byte to the last.
void check_places(std::vector<Entry>& entries, size_t data_bytes, const std::string& file) {
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  size_t next = 0;
  for (const auto& entry : entries) {
    if (entry.end < entry.begin || entry.end > data_bytes) throw unfit(file, fmt::format("'{}' lies outside the file", entry.name));
    if (entry.begin < next) throw unfit(file, fmt::format("'{}' overlaps the tensor before it", entry.name));
    if (entry.begin > next) throw unfit(file, fmt::format("there are bytes of no tensor before '{}'", entry.name));
    if (entry.end - entry.begin != bytes_of(entry, file))
      throw unfit(file, fmt::format("the shape of '{}' does not fit its {} bytes", entry.name, entry.end - entry.begin));
    next = entry.end;
  }
  if (next != data_bytes) throw unfit(file, fmt::format("{} bytes stand behind the last tensor", data_bytes - next));
}

at::Tensor copy_of(const Entry& entry, std::string_view data) {
  auto tensor = at::empty(entry.shape, at::TensorOptions().dtype(entry.type));
  if (entry.end > entry.begin) std::memcpy(tensor.mutable_data_ptr(), data.data() + entry.begin, entry.end - entry.begin);
  return tensor;
}

}  // namespace

std::string to_safetensors(const TensorFile& file) {
  std::vector<std::pair<std::string, at::Tensor>> ordered(file.tensors.begin(), file.tensors.end());
  std::stable_sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) { return a.second.itemsize() > b.second.itemsize(); });
  Json header = Json::object();
  if (!file.metadata.empty()) header[metadata_key] = file.metadata;
  std::string data;
  for (const auto& [name, given] : ordered) {
    const auto* type = std::find_if(types.begin(), types.end(),
                                    [&given = given](const Type& one) { return given.scalar_type() == one.scalar; });
    if (type == types.end() || name == metadata_key)
      throw Error(Fault::bug, "'{}' of type {} cannot be written as safetensors", name, toString(given.scalar_type()));
    const auto tensor = given.detach().cpu().contiguous();
    const size_t begin = data.size();
    data.append(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes());
    header[name] = {{"dtype", type->name}, {"shape", tensor.sizes().vec()}, {"data_offsets", {begin, data.size()}}};
  }
  std::string text = header.dump();
  text.append((length_bytes - text.size() % length_bytes) % length_bytes, ' ');
  const uint64_t length = text.size();
  std::string bytes(length_bytes, '\0');
  std::memcpy(bytes.data(), &length, length_bytes);
  return bytes + text + data;
}

TensorFile from_safetensors(std::string_view bytes, const std::string& name) {
  if (bytes.size() < length_bytes) throw unfit(name, fmt::format("it has {} bytes", bytes.size()));
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), length_bytes);
  bytes.remove_prefix(length_bytes);
  if (length > most_header_bytes || length > bytes.size()) throw unfit(name, fmt::format("its header claims {} bytes", length));
  const auto data = bytes.substr(length);
  TensorFile file;
  std::vector<Entry> entries;
  const Json header = parse_header(bytes.substr(0, length), name);
  for (const auto& [key, value] : header.items()) {
    if (key != metadata_key) {
      entries.push_back(read_entry(key, value, name));
      continue;
    }
    if (!value.is_object()) throw unfit(name, "its metadata are no JSON object");
    for (const auto& [word, text] : value.items()) {
      if (!text.is_string()) throw unfit(name, fmt::format("the metadata '{}' are no text", word));
      file.metadata.emplace(word, text.get<std::string>());
    }
  }
  check_places(entries, data.size(), name);
  for (const auto& entry : entries) file.tensors.emplace(entry.name, copy_of(entry, data));
  return file;
}

}  // namespace ganymede::exporting
