#include "storage/hdf5_support.hpp"

#include <cstdlib>

#include "storage/files.hpp"

namespace ganymede::storage {
namespace {

herr_t keep_innermost(unsigned, const H5E_error2_t* entry, void* out) {
  auto& reason = *static_cast<Hdf5Reason*>(out);
  reason.text = entry->desc ? entry->desc : "";
  const auto at = reason.text.find("errno = ");
  if (at != std::string::npos) reason.error_number = std::atoi(reason.text.c_str() + at + 8);
  return 0;
}

}  // namespace

Hdf5Reason hdf5_reason() {
  Hdf5Reason reason;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep_innermost, &reason);
  H5Eclear2(H5E_DEFAULT);
  if (reason.text.empty()) reason.text = "HDF5 gives no reason";
  return reason;
}

Error hdf5_read_error(const std::string& label, const std::filesystem::path& path) {
  const auto reason = hdf5_reason();
  if (reason.error_number != 0) return read_error(reason.error_number, path);
  return Error(Fault::bad_data, "cannot read {}", label).cause("{}", reason.text).remedy("the file is damaged, cut or of a foreign kind: copy or build it again");
}

Error hdf5_write_error(const std::string& label, const std::filesystem::path& path) {
  const auto reason = hdf5_reason();
  if (reason.error_number != 0) return write_error(reason.error_number, "write", path);
  return Error(Fault::io, "cannot write {}", label).cause("{}", reason.text).remedy("check the disk or network file system that holds it");
}

std::vector<std::string> components(const std::string& name) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('/', begin), name.size());
    parts.push_back(name.substr(begin, end - begin));
    if (parts.back().empty() || parts.back() == "." || parts.back() == "..") throw Error(Fault::bug, "'{}' is no name for an HDF5 object", name);
    begin = end + 1;
  }
  return parts;
}

std::string dataset_label(const std::string& name, const std::filesystem::path& path) {
  return fmt::format("data set '{}' of {}", name, path.string());
}

hid_t memory_type(at::ScalarType type) {
  switch (type) {
    case at::kByte: return H5T_NATIVE_UINT8;
    case at::kInt: return H5T_NATIVE_INT32;
    case at::kLong: return H5T_NATIVE_INT64;
    case at::kFloat: return H5T_NATIVE_FLOAT;
    case at::kDouble: return H5T_NATIVE_DOUBLE;
    default: throw Error(Fault::bug, "tensors of type {} have no form in HDF5", c10::toString(type));
  }
}

std::optional<at::ScalarType> scalar_type(hid_t file_type) {
  const auto is = [&](hid_t little, hid_t big) { return H5Tequal(file_type, little) > 0 || H5Tequal(file_type, big) > 0; };
  if (is(H5T_STD_U8LE, H5T_STD_U8BE)) return at::kByte;
  if (is(H5T_STD_I32LE, H5T_STD_I32BE)) return at::kInt;
  if (is(H5T_STD_I64LE, H5T_STD_I64BE)) return at::kLong;
  if (is(H5T_IEEE_F32LE, H5T_IEEE_F32BE)) return at::kFloat;
  if (is(H5T_IEEE_F64LE, H5T_IEEE_F64BE)) return at::kDouble;
  return std::nullopt;
}

}  // namespace ganymede::storage
