#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <random>

#include "storage/files.hpp"
#include "storage/temporary_name.hpp"

namespace ganymede::storage {
namespace {

namespace fs = std::filesystem;

fs::path without_trailing_slash(fs::path path) {
  path = path.lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

fs::path parent_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

// Opened through the folder itself: the lock lives as long as the descriptor, hence dies with the process.
int lock_folder(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor >= 0) (void)::flock(descriptor, LOCK_EX | LOCK_NB);  // without locks: see remove_stale_pending
  return descriptor;
}

bool is_locked_by_another(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0) return false;
  const bool is_locked = ::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(descriptor);
  return is_locked;
}

}  // namespace

fs::path temporary_beside(const fs::path& path) {
  std::random_device random;
  return parent_of(path) / fmt::format("{}{}-{:08x}", temporary_prefix, path.filename().string(), random());
}

PendingFolder::PendingFolder(fs::path final_path) : final_path_(without_trailing_slash(std::move(final_path))) {
  std::error_code code;
  const bool exists = fs::exists(final_path_, code);
  if (code) throw write_error(code.value(), "write to", final_path_);
  if (exists && !(fs::is_directory(final_path_, code) && fs::is_empty(final_path_, code)))
    throw write_error(code ? code.value() : ENOTEMPTY, "write to", final_path_);
  fs::create_directories(parent_of(final_path_), code);
  if (code) throw write_error(code.value(), "create the folder", parent_of(final_path_));
  do {
    path_ = temporary_beside(final_path_);
    if (::mkdir(path_.c_str(), 0777) == 0) break;
    if (errno != EEXIST) throw write_error(errno, "create", final_path_);
  } while (true);
  lock_ = lock_folder(path_);
}

PendingFolder::~PendingFolder() {
  std::error_code ignored;
  if (!is_committed_) fs::remove_all(path_, ignored);
  if (lock_ >= 0) ::close(lock_);
}

void PendingFolder::commit() {
  for (const auto& entry : fs::recursive_directory_iterator(path_)) entry.is_directory() ? sync_folder(entry.path()) : sync_file(entry.path());
  sync_folder(path_);
  if (::rename(path_.c_str(), final_path_.c_str()) != 0) throw write_error(errno, "put in place", final_path_);
  is_committed_ = true;
  sync_folder(parent_of(final_path_));
}

void remove_stale_pending(const fs::path& parent, const std::string& name) {
  const std::string prefix = temporary_prefix + (name.empty() ? "" : name + "-");
  std::error_code code;
  std::vector<fs::path> stale;
  for (fs::directory_iterator entry(parent, code), end; !code && entry != end; entry.increment(code)) {
    const std::string found = entry->path().filename().string();
    // With a name given, only NAME and its random suffix: `.tmp-mnist-32-…` does not belong to `mnist`.
    if (found.starts_with(prefix) && (name.empty() || found.size() == prefix.size() + 8)) stale.push_back(entry->path());
  }
  for (const auto& path : stale)
    if (!is_locked_by_another(path)) fs::remove_all(path, code);
}

}  // namespace ganymede::storage
