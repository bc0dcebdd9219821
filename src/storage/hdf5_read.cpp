#include <ATen/ops/empty.h>

#include "storage/files.hpp"
#include "storage/hdf5_support.hpp"
#include "storage/hdf5_thread.hpp"

namespace ganymede::storage {
namespace {

constexpr int max_dims = 8;
constexpr int64_t max_chunk_bytes = int64_t{64} << 20;
constexpr int64_t max_expansion = 1000;  // declared bytes per stored byte: the bound of Keras after CVE-2026-1669
constexpr int64_t max_links = 1'000'000;

herr_t refuse_external_link(const char*, const char*, const char*, const char*, unsigned*, hid_t, void*) { return -1; }

Handle link_access() {
  Handle list(H5Pcreate(H5P_LINK_ACCESS), H5Pclose);
  // Belt and braces: links are looked at before they are followed, and the class is unregistered as well.
  H5Pset_elink_cb(list.id(), refuse_external_link, nullptr);
  return list;
}

Error refused(const std::string& label, const std::string& why) {
  return Error(Fault::bad_data, "refusing {}: {}", label, why).remedy("write it as plain HDF5: hard links, contiguous or chunked data, no external or virtual storage");
}

void require_signature(const std::filesystem::path& path) {
  constexpr std::string_view signature("\x89HDF\r\n\x1a\n", 8);
  InputFile file(path);
  std::string begin(signature.size(), '\0');
  begin.resize(file.read(begin.data(), begin.size()));
  if (begin == signature) return;
  throw Error(Fault::bad_data, "{} is no HDF5 file", path.string())
      .cause("{}", begin.empty() ? "it is empty" : "it does not begin with HDF5's signature")
      .remedy("check that the right file is named, or copy or build it again");
}

// A link that can only lead to an object of the same file.
void require_hard_link(int64_t group, const std::string& part, const std::string& label) {
  H5L_info_t link{};
  const auto access = link_access();
  if (H5Lget_info(group, part.c_str(), &link, access.id()) < 0)
    throw Error(Fault::bad_data, "{} is missing", label).cause("there is no '{}' in the file", part).remedy("check what the file holds with `h5ls -r`, or build it again");
  if (link.type != H5L_TYPE_HARD) throw refused(label, fmt::format("'{}' is a soft or external link", part));
}

void check_filters(hid_t list, const std::string& label) {
  for (int i = 0, count = H5Pget_nfilters(list); i < count; ++i) {
    unsigned flags = 0;
    size_t values = 0;
    const auto filter = H5Pget_filter2(list, static_cast<unsigned>(i), &flags, &values, nullptr, 0, nullptr, nullptr);
    if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32)
      throw refused(label, fmt::format("filter {} is none of deflate, shuffle and fletcher32", static_cast<int>(filter)));
  }
}

int64_t product(const std::vector<int64_t>& factors, int64_t product, const std::string& label) {
  for (const int64_t factor : factors)
    if (factor < 0 || __builtin_mul_overflow(product, factor, &product)) throw refused(label, "its size does not fit 64 bits");
  return product;
}

std::vector<int64_t> extent(hid_t dataset, const std::string& label, const std::filesystem::path& path) {
  const Handle space(H5Dget_space(dataset), H5Sclose);
  if (!space) throw hdf5_read_error(label, path);
  const auto kind = H5Sget_simple_extent_type(space.id());
  if (kind != H5S_SIMPLE && kind != H5S_SCALAR) throw refused(label, "it has no extent");
  const int rank = H5Sget_simple_extent_ndims(space.id());
  if (rank < 0 || rank > max_dims) throw refused(label, fmt::format("{} dimensions", rank));
  std::vector<hsize_t> dims(static_cast<size_t>(rank) + 1);
  H5Sget_simple_extent_dims(space.id(), dims.data(), nullptr);
  return {dims.begin(), dims.end() - 1};
}

// Everything that is declared must be in the file: HDF5 would invent fill values for the rest.
void check_stored(hid_t dataset, const std::vector<int64_t>& dims, const std::vector<int64_t>& chunk, int64_t bytes, const std::string& label) {
  if (bytes == 0) return;
  const auto stored = static_cast<int64_t>(H5Dget_storage_size(dataset));
  if (stored <= 0 || bytes / max_expansion > stored) throw refused(label, fmt::format("it declares {} bytes and stores {}", bytes, stored));
  if (chunk.empty()) {
    if (stored < bytes) throw refused(label, fmt::format("it declares {} bytes and stores {}", bytes, stored));
    return;
  }
  std::vector<int64_t> chunks;
  for (size_t i = 0; i < dims.size(); ++i) chunks.push_back((dims[i] - 1) / chunk[i] + 1);
  const int64_t expected = product(chunks, 1, label);
  hsize_t found = 0;
  const Handle space(H5Dget_space(dataset), H5Sclose);
  if (H5Dget_num_chunks(dataset, space.id(), &found) < 0) throw refused(label, hdf5_reason().text);
  if (static_cast<int64_t>(found) != expected) throw refused(label, fmt::format("{} of its {} chunks are stored", found, expected));
}

}  // namespace

File File::open(const std::filesystem::path& path) {
  require_hdf5_thread();
  require_signature(path);  // at the first byte, hence no user block
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_fapl_sec2(access.id());
  H5Pset_fclose_degree(access.id(), H5F_CLOSE_STRONG);
  H5Pset_file_locking(access.id(), false, true);  // locks fail on read-only and some parallel file systems, and nobody writes
  File file;
  file.path_ = path;
  file.handle_ = Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id()), H5Fclose);
  if (!file.handle_) throw hdf5_read_error(path.string(), path);
  const Handle creation(H5Fget_create_plist(file.handle_.id()), H5Pclose);
  hsize_t user_block = 0;
  if (H5Pget_userblock(creation.id(), &user_block) < 0 || user_block != 0) throw refused(path.string(), "it has a user block");
  return file;
}

bool File::has(const std::string& name) const {
  require_hdf5_thread();
  const auto access = link_access();
  std::string prefix;
  for (const auto& part : components(name)) {
    prefix += (prefix.empty() ? "" : "/") + part;
    const bool is_there = H5Lexists(handle_.id(), prefix.c_str(), access.id()) > 0;
    H5Eclear2(H5E_DEFAULT);
    if (!is_there) return false;
  }
  return true;
}

Handle File::open_object(const std::string& name, bool is_group) const {
  require_hdf5_thread();
  const std::string label = fmt::format("{} '{}' of {}", is_group ? "group" : "data set", name, path_.string());
  const auto access = link_access();
  Handle object(H5Gopen2(handle_.id(), "/", H5P_DEFAULT), H5Oclose);
  if (!object) throw hdf5_read_error(label, path_);
  if (name.empty()) return object;
  const auto parts = components(name);
  for (size_t i = 0; i < parts.size(); ++i) {
    require_hard_link(object.id(), parts[i], label);
    Handle next(H5Oopen(object.id(), parts[i].c_str(), access.id()), H5Oclose);
    if (!next) throw hdf5_read_error(label, path_);
    const bool must_be_group = is_group || i + 1 < parts.size();
    if (H5Iget_type(next.id()) != (must_be_group ? H5I_GROUP : H5I_DATASET))
      throw refused(label, fmt::format("'{}' is no {}", parts[i], must_be_group ? "group" : "data set"));
    object = std::move(next);
  }
  return object;
}

Dataset File::dataset(const std::string& name) const {
  Dataset out;
  out.label_ = dataset_label(name, path_);
  out.handle_ = open_object(name, false);
  const hid_t id = out.handle_.id();
  // The creation list comes first: H5Dget_space of a virtual data set would already open the files that it names.
  const Handle creation(H5Dget_create_plist(id), H5Pclose);
  if (!creation) throw hdf5_read_error(out.label_, path_);
  const auto layout = H5Pget_layout(creation.id());
  if (layout != H5D_CHUNKED && layout != H5D_CONTIGUOUS) throw refused(out.label_, "its layout is neither chunked nor contiguous");
  if (H5Pget_external_count(creation.id()) != 0) throw refused(out.label_, "its data lie in another file");
  check_filters(creation.id(), out.label_);
  const Handle type(H5Dget_type(id), H5Tclose);
  const auto scalar = type ? scalar_type(type.id()) : std::nullopt;
  if (!scalar) throw refused(out.label_, "its elements are none of uint8, int32, int64, float32 and float64");
  out.type_ = *scalar;
  out.dims_ = extent(id, out.label_, path_);
  const int64_t bytes = product(out.dims_, static_cast<int64_t>(c10::elementSize(out.type_)), out.label_);
  std::vector<int64_t> chunk;
  if (layout == H5D_CHUNKED) {
    std::vector<hsize_t> sizes(max_dims + 1);
    const int rank = H5Pget_chunk(creation.id(), max_dims, sizes.data());
    if (rank != static_cast<int>(out.dims_.size())) throw refused(out.label_, "its chunks have another number of dimensions");
    chunk.assign(sizes.begin(), sizes.begin() + rank);
    const bool is_degenerate = std::any_of(chunk.begin(), chunk.end(), [](int64_t size) { return size <= 0; });
    if (is_degenerate || product(chunk, static_cast<int64_t>(c10::elementSize(out.type_)), out.label_) > max_chunk_bytes)
      throw refused(out.label_, "a chunk is larger than 64 MiB");
    out.chunk_rows_ = chunk[0];
  }
  check_stored(id, out.dims_, chunk, bytes, out.label_);
  return out;
}

File::Children File::children(const std::string& group) const {
  const Handle object = open_object(group, true);
  const std::string label = fmt::format("group '{}' of {}", group, path_.string());
  const auto access = link_access();
  H5G_info_t info{};
  if (H5Gget_info(object.id(), &info) < 0) throw hdf5_read_error(label, path_);
  if (static_cast<int64_t>(info.nlinks) > max_links) throw refused(label, "it has over a million links");
  Children children;
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    char name[1024];
    const auto length = H5Lget_name_by_idx(object.id(), ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, access.id());
    if (length < 0) throw hdf5_read_error(label, path_);
    if (length == 0 || length >= static_cast<ssize_t>(sizeof name)) throw refused(label, "a link's name is empty or over 1,023 bytes long");
    const std::string text(name);
    if (text == "." || text == ".." || text.find('/') != std::string::npos) throw refused(label, fmt::format("a link is called '{}'", text));
    require_hard_link(object.id(), text, label);
    H5O_info_t about{};
    if (H5Oget_info_by_name2(object.id(), name, &about, H5O_INFO_BASIC, access.id()) < 0) throw hdf5_read_error(label, path_);
    if (about.rc != 1) throw refused(label, fmt::format("'{}' has {} names", text, about.rc));
    if (about.type == H5O_TYPE_GROUP) children.groups.push_back(text);
    else if (about.type == H5O_TYPE_DATASET) children.datasets.push_back(text);
    else throw refused(label, fmt::format("'{}' is neither a group nor a data set", text));
  }
  return children;
}

int64_t Dataset::bytes() const {
  int64_t bytes = static_cast<int64_t>(c10::elementSize(type_));
  for (const int64_t size : dims_) bytes *= size;
  return bytes;
}

void Dataset::read_rows(int64_t first, int64_t count, void* out) const { transfer_rows(first, count, out, nullptr); }

at::Tensor Dataset::read() const {
  auto tensor = at::empty(dims_, at::TensorOptions().dtype(type_));
  require_hdf5_thread();
  if (tensor.numel() > 0 && H5Dread(handle_.id(), memory_type(type_), H5S_ALL, H5S_ALL, H5P_DEFAULT, tensor.mutable_data_ptr()) < 0)
    throw hdf5_read_error(label_, label_);
  return tensor;
}

}  // namespace ganymede::storage
