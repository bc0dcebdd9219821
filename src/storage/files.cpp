#include "storage/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "storage/temporary_name.hpp"

namespace ganymede::storage {
namespace {

namespace fs = std::filesystem;

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int value() const { return value_; }
  /// close reports what a delayed write met (NFS).
  int close() { return ::close(std::exchange(value_, -1)); }

 private:
  int value_;
};

void sync(const fs::path& path, int flags) {
  Descriptor descriptor(::open(path.c_str(), flags | O_CLOEXEC));
  if (descriptor.value() < 0) throw write_error(errno, "open for fsync", path);
  // Some file systems (FUSE, some network ones) have no fsync for folders and say EINVAL: there is nothing to wait for.
  if (::fsync(descriptor.value()) != 0 && errno != EINVAL) throw write_error(errno, "fsync", path);
}

void write_all(int descriptor, std::string_view text, const fs::path& path) {
  while (!text.empty()) {
    const ssize_t count = ::write(descriptor, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw write_error(errno, "write", path);
    text.remove_prefix(static_cast<size_t>(count));
  }
}

}  // namespace

Error write_error(int error_number, const std::string& what, const fs::path& path) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return Error(Fault::cannot_write, "cannot {} {}", what, path.string())
          .cause("{}", std::strerror(error_number))
          .remedy("free space there, or write to another place");
    case EEXIST:
    case ENOTEMPTY:
      return Error(Fault::cannot_write, "cannot {} {}", what, path.string())
          .cause("something is there already")
          .remedy("name a path that does not exist, or an empty folder");
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ENAMETOOLONG:
      return Error(Fault::cannot_write, "cannot {} {}", what, path.string())
          .cause("{}", std::strerror(error_number))
          .remedy("name a place that this user can write to");
    default:
      return Error(Fault::io, "cannot {} {}", what, path.string()).cause("{}", std::strerror(error_number)).remedy("check the disk or network file system that holds it");
  }
}

Error read_error(int error_number, const fs::path& path) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return Error(Fault::bad_data, "{} does not exist", path.string()).remedy("check the path");
    case EACCES:
    case EPERM:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
      return Error(Fault::bad_data, "cannot read {}", path.string()).cause("{}", std::strerror(error_number)).remedy("name a file that this user can read");
    default:
      return Error(Fault::io, "cannot read {}", path.string()).cause("{}", std::strerror(error_number)).remedy("check the disk or network file system that holds it");
  }
}

InputFile::InputFile(const fs::path& path) : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (descriptor_ < 0) throw read_error(errno, path_);
}

InputFile::~InputFile() { ::close(descriptor_); }

size_t InputFile::read(char* out, size_t count) {
  for (;;) {
    const ssize_t got = ::read(descriptor_, out, count);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR) throw read_error(errno, path_);
  }
}

int64_t InputFile::size() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) throw read_error(errno, path_);
  return status.st_size;
}

std::string read_text(const fs::path& path, int64_t max_bytes) {
  InputFile file(path);
  std::string text;
  std::vector<char> piece(size_t{1} << 16);
  while (const size_t count = file.read(piece.data(), piece.size())) {
    text.append(piece.data(), count);
    if (static_cast<int64_t>(text.size()) > max_bytes)
      throw Error(Fault::bad_data, "{} is larger than the {} bytes that such a file may have", path.string(), max_bytes)
          .remedy("check that the right file is named");
  }
  return text;
}

void write_file_atomically(const fs::path& path, std::string_view text) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const fs::path temporary = temporary_beside(path);
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.value() < 0) throw write_error(errno, "create", path);
  try {
    write_all(file.value(), text, path);
    if (::fsync(file.value()) != 0) throw write_error(errno, "fsync", path);
    if (file.close() != 0) throw write_error(errno, "close", path);
    if (::rename(temporary.c_str(), path.c_str()) != 0) throw write_error(errno, "rename a temporary file to", path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  sync_folder(folder);
}

void sync_file(const fs::path& path) { sync(path, O_RDONLY); }
void sync_folder(const fs::path& path) { sync(path, O_RDONLY | O_DIRECTORY); }

void check_space(const fs::path& folder, int64_t bytes) {
  if (bytes <= 0) return;
  const fs::path probe = temporary_beside(folder / "space");
  Descriptor file(::open(probe.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.value() < 0) throw write_error(errno, "create a file in", folder);
  ::unlink(probe.c_str());
  int result;
  do result = ::fallocate(file.value(), 0, 0, bytes);
  while (result != 0 && errno == EINTR);
  if (result != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
    throw write_error(errno, fmt::format("find {:.1f} MiB for a file in", static_cast<double>(bytes) / (1 << 20)), folder);
}

}  // namespace ganymede::storage
