#include <algorithm>
#include <initializer_list>

#include "storage/hdf5_support.hpp"
#include "storage/hdf5_thread.hpp"

namespace ganymede::storage {
namespace {

constexpr int64_t max_text_bytes = int64_t{16} << 20;

// Only the standard types: HDF5 1.10 converts one whose precision exceeds its size (a damaged file) past the end of its buffer.
bool is_any_of(hid_t type, std::initializer_list<hid_t> known) {
  return std::any_of(known.begin(), known.end(), [&](hid_t one) { return H5Tequal(type, one) > 0; });
}
bool is_plain_integer(hid_t type) {
  return is_any_of(type, {H5T_STD_I8LE, H5T_STD_I16LE, H5T_STD_I32LE, H5T_STD_I64LE, H5T_STD_U8LE, H5T_STD_U16LE, H5T_STD_U32LE, H5T_STD_U64LE,
                          H5T_STD_I16BE, H5T_STD_I32BE, H5T_STD_I64BE, H5T_STD_U16BE, H5T_STD_U32BE, H5T_STD_U64BE});
}
bool is_plain_float(hid_t type) { return is_any_of(type, {H5T_IEEE_F32LE, H5T_IEEE_F64LE, H5T_IEEE_F32BE, H5T_IEEE_F64BE}); }

std::string read_text_attribute(hid_t attribute, hid_t type, const std::string& label, const std::filesystem::path& path) {
  if (H5Tis_variable_str(type) > 0) {
    const Handle memory(H5Tcopy(H5T_C_S1), H5Tclose);
    H5Tset_size(memory.id(), H5T_VARIABLE);
    H5Tset_cset(memory.id(), H5Tget_cset(type));
    char* text = nullptr;
    if (H5Aread(attribute, memory.id(), &text) < 0) throw hdf5_read_error(label, path);
    const std::string copy(text ? text : "");
    H5free_memory(text);
    return copy;
  }
  std::string text(H5Tget_size(type), '\0');
  if (static_cast<int64_t>(text.size()) > max_text_bytes) throw Error(Fault::bad_data, "{} is over 16 MiB long", label);
  if (H5Aread(attribute, type, text.data()) < 0) throw hdf5_read_error(label, path);
  const auto padding = H5Tget_strpad(type);
  if (padding == H5T_STR_SPACEPAD) text.erase(text.find_last_not_of(' ') + 1);
  else text.resize(std::min(text.find('\0'), text.size()));
  return text;
}

}  // namespace

State::Value File::read_attribute(int64_t object, const std::string& group, const std::string& name) const {
  const std::string label = fmt::format("attribute '{}' of '{}' in {}", name, group.empty() ? "/" : group, path_.string());
  const Handle attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose);
  if (!attribute) throw hdf5_read_error(label, path_);
  const Handle space(H5Aget_space(attribute.id()), H5Sclose);
  const Handle type(H5Aget_type(attribute.id()), H5Tclose);
  if (!space || !type) throw hdf5_read_error(label, path_);
  if (H5Sget_simple_extent_npoints(space.id()) != 1)
    throw Error(Fault::bad_data, "{} is not one value", label).remedy("write it as a single number or text");
  if (is_plain_integer(type.id())) {
    int64_t value = 0;
    if (H5Aread(attribute.id(), H5T_NATIVE_INT64, &value) < 0) throw hdf5_read_error(label, path_);
    return value;
  }
  if (is_plain_float(type.id())) {
    double value = 0;
    if (H5Aread(attribute.id(), H5T_NATIVE_DOUBLE, &value) < 0) throw hdf5_read_error(label, path_);
    return value;
  }
  if (H5Tget_class(type.id()) == H5T_STRING) return read_text_attribute(attribute.id(), type.id(), label, path_);
  throw Error(Fault::bad_data, "{} is neither a number nor a text", label).remedy("write it as a single number or text");
}

std::optional<State::Value> File::attribute(const std::string& group, const std::string& name) const {
  const Handle object = open_object(group, true);
  if (H5Aexists(object.id(), name.c_str()) <= 0) return std::nullopt;
  return read_attribute(object.id(), group, name);
}

std::map<std::string, State::Value> File::attributes(const std::string& group) const {
  const Handle object = open_object(group, true);
  std::vector<std::string> names;
  const auto collect = [](hid_t, const char* name, const H5A_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->emplace_back(name);
    return 0;
  };
  if (H5Aiterate2(object.id(), H5_INDEX_NAME, H5_ITER_INC, nullptr, collect, &names) < 0)
    throw hdf5_read_error(fmt::format("the attributes of '{}' in {}", group, path_.string()), path_);
  std::map<std::string, State::Value> values;
  for (const auto& name : names) values.emplace(name, read_attribute(object.id(), group, name));
  return values;
}

void File::set_attribute(const std::string& group, const std::string& name, const State::Value& value) {
  require_hdf5_thread();
  const std::string label = fmt::format("attribute '{}' of '{}' in {}", name, group.empty() ? "/" : group, path_.string());
  const Handle object = group_for_writing(group);
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  if (H5Aexists(object.id(), name.c_str()) > 0) H5Adelete(object.id(), name.c_str());
  const auto put = [&](hid_t type, const void* bytes) {
    const Handle attribute(H5Acreate2(object.id(), name.c_str(), type, space.id(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
    if (!attribute || H5Awrite(attribute.id(), type, bytes) < 0) throw hdf5_write_error(label, path_);
  };
  if (const auto* integer = std::get_if<int64_t>(&value)) put(H5T_NATIVE_INT64, integer);
  else if (const auto* number = std::get_if<double>(&value)) put(H5T_NATIVE_DOUBLE, number);
  else {
    // Variable length, which h5py gives back as str (fixed length would be bytes) and which may pass 64 KiB.
    const Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
    H5Tset_size(type.id(), H5T_VARIABLE);
    H5Tset_cset(type.id(), H5T_CSET_UTF8);
    const char* text = std::get<std::string>(value).c_str();
    put(type.id(), &text);
  }
}

}  // namespace ganymede::storage
