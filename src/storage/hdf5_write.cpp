#include "storage/hdf5_support.hpp"
#include "storage/hdf5_thread.hpp"

namespace ganymede::storage {
namespace {

std::vector<hsize_t> sizes(const std::vector<int64_t>& dims) { return {dims.begin(), dims.end()}; }

Handle without_times(hid_t kind) {
  Handle list(H5Pcreate(kind), H5Pclose);
  H5Pset_obj_track_times(list.id(), false);
  return list;
}

}  // namespace

File File::create(const std::filesystem::path& path) {
  require_hdf5_thread();
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_fapl_sec2(access.id());
  H5Pset_fclose_degree(access.id(), H5F_CLOSE_STRONG);
  H5Pset_file_locking(access.id(), false, true);
  const auto creation = without_times(H5P_FILE_CREATE);
  File file;
  file.path_ = path;
  file.handle_ = Handle(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.id(), access.id()), H5Fclose);
  if (!file.handle_) throw hdf5_write_error(path.string(), path);
  return file;
}

Handle File::group_for_writing(const std::string& name) {
  Handle group(H5Gopen2(handle_.id(), "/", H5P_DEFAULT), H5Gclose);
  if (!group) throw hdf5_write_error(path_.string(), path_);
  if (name.empty()) return group;
  for (const auto& part : components(name)) {
    const auto creation = without_times(H5P_GROUP_CREATE);
    const bool is_there = H5Lexists(group.id(), part.c_str(), H5P_DEFAULT) > 0;
    group = Handle(is_there ? H5Gopen2(group.id(), part.c_str(), H5P_DEFAULT)
                            : H5Gcreate2(group.id(), part.c_str(), H5P_DEFAULT, creation.id(), H5P_DEFAULT), H5Gclose);
    if (!group) throw hdf5_write_error(fmt::format("group '{}' of {}", name, path_.string()), path_);
  }
  return group;
}

Dataset File::create_dataset(const std::string& name, at::ScalarType type, const std::vector<int64_t>& dims, int64_t chunk_rows) {
  require_hdf5_thread();
  Dataset out;
  out.label_ = dataset_label(name, path_);
  out.type_ = type;
  out.dims_ = dims;
  out.chunk_rows_ = chunk_rows;
  const auto creation = without_times(H5P_DATASET_CREATE);
  // Allocated at once and never filled: whoever creates a data set here writes all of it.
  H5Pset_alloc_time(creation.id(), H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(creation.id(), H5D_FILL_TIME_NEVER);
  auto extent = sizes(dims);
  if (chunk_rows > 0) {
    auto chunk = extent;
    chunk.at(0) = static_cast<hsize_t>(chunk_rows);
    H5Pset_chunk(creation.id(), static_cast<int>(chunk.size()), chunk.data());
  }
  const Handle space(dims.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr), H5Sclose);
  const auto slash = name.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : name.substr(0, slash);
  const std::string link = components(name).back();
  const Handle group = group_for_writing(folder);
  out.handle_ = Handle(H5Dcreate2(group.id(), link.c_str(), memory_type(type), space.id(), H5P_DEFAULT, creation.id(), H5P_DEFAULT), H5Dclose);
  if (!out.handle_) throw hdf5_write_error(out.label_, path_);
  return out;
}

void File::write(const std::string& name, const at::Tensor& tensor) {
  auto dataset = create_dataset(name, tensor.scalar_type(), tensor.sizes().vec());
  if (tensor.numel() > 0 && H5Dwrite(dataset.handle_.id(), memory_type(tensor.scalar_type()), H5S_ALL, H5S_ALL, H5P_DEFAULT, tensor.const_data_ptr()) < 0)
    throw hdf5_write_error(dataset.label_, path_);
  if (dataset.handle_.close() < 0) throw hdf5_write_error(dataset.label_, path_);
}

void Dataset::write_rows(int64_t first, int64_t count, const void* rows) { transfer_rows(first, count, nullptr, rows); }

void Dataset::transfer_rows(int64_t first, int64_t count, void* out, const void* in) const {
  require_hdf5_thread();
  if (dims_.empty() || first < 0 || count < 0 || first + count > dims_[0])
    throw Error(Fault::bug, "rows {} to {} are outside {}", first, first + count, label_);
  if (count == 0) return;
  auto block = sizes(dims_);
  block[0] = static_cast<hsize_t>(count);
  std::vector<hsize_t> start(block.size(), 0);
  start[0] = static_cast<hsize_t>(first);
  const Handle file_space(H5Dget_space(handle_.id()), H5Sclose);
  const Handle memory_space(H5Screate_simple(static_cast<int>(block.size()), block.data(), nullptr), H5Sclose);
  if (!file_space || H5Sselect_hyperslab(file_space.id(), H5S_SELECT_SET, start.data(), nullptr, block.data(), nullptr) < 0)
    throw hdf5_read_error(label_, label_);
  const hid_t type = memory_type(type_);
  if (in && H5Dwrite(handle_.id(), type, memory_space.id(), file_space.id(), H5P_DEFAULT, in) < 0) throw hdf5_write_error(label_, label_);
  if (out && H5Dread(handle_.id(), type, memory_space.id(), file_space.id(), H5P_DEFAULT, out) < 0) throw hdf5_read_error(label_, label_);
}

void File::flush() {
  require_hdf5_thread();
  if (H5Fflush(handle_.id(), H5F_SCOPE_GLOBAL) < 0) throw hdf5_write_error(path_.string(), path_);
}

void File::close() {
  require_hdf5_thread();
  if (handle_.close() < 0) throw hdf5_write_error(path_.string(), path_);
}

}  // namespace ganymede::storage
