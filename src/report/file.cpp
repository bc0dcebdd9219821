#include "report/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.hpp"

namespace ganymede::report {
namespace {

/// Closes on the way out, also when a write throws.
class Descriptor {
 public:
  Descriptor(const std::filesystem::path& file, int flags) : number_(::open(file.c_str(), flags | O_CLOEXEC, 0666)) {
    if (number_ < 0) throw_file_error("open", file, errno);
  }
  ~Descriptor() { ::close(number_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  operator int() const { return number_; }
  void sync(const std::filesystem::path& file) const {
    // EINVAL: a file system that cannot sync folders, as some network mounts.
    if (::fsync(number_) != 0 && errno != EINVAL) throw_file_error("sync", file, errno);
  }

 private:
  int number_;
};

}  // namespace

void throw_file_error(const char* action, const std::filesystem::path& file, int error_number) {
  Error error(error_number == EIO ? Fault::io : Fault::cannot_write, "cannot {} '{}'", action, file.string());
  error.cause("{}", std::strerror(error_number));
  if (error_number == ENOSPC || error_number == EDQUOT)
    error.remedy("free space there, or name another folder");
  else if (error_number == EIO)
    error.remedy("the device failed: look into the system's log");
  else
    error.remedy("check that the folder exists and that you may write there");
  throw error;
}

void write_all(int descriptor, std::string_view bytes, const std::filesystem::path& file) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_file_error("write", file, errno);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

void write_file_atomically(const std::filesystem::path& file, std::string_view bytes) {
  const auto folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  const auto temporary = folder / fmt::format(".tmp-{}-{}", ::getpid(), file.filename().string());
  try {
    {
      const Descriptor out(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
      write_all(out, bytes, file);
      out.sync(file);
    }
    if (::rename(temporary.c_str(), file.c_str()) != 0) throw_file_error("rename a finished file to", file, errno);
    Descriptor(folder, O_RDONLY | O_DIRECTORY).sync(folder);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

void remove_leftovers(const std::filesystem::path& folder) {
  std::error_code problem;  // what cannot be listed or removed does no harm
  for (const auto& entry : std::filesystem::directory_iterator(folder, problem))
    if (entry.path().filename().string().starts_with(".tmp-") && entry.is_regular_file(problem)) std::filesystem::remove(entry.path(), problem);
}

}  // namespace ganymede::report
