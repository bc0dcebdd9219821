// Files and folders that are either old or new, never half written, even after a power cut: temporary beside the final
// name, fsync of the content, rename, fsync of the parent (Pillai et al. 2014, "All File Systems Are Not Created Equal").
// What cannot be written because of permissions, space or something in the way is Fault::cannot_write; a device that
// fails is Fault::io; input that is missing or unreadable is Fault::bad_data.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace ganymede::storage {

/// The Error for an errno met while writing: "cannot WHAT PATH", its cause in words and the fitting Fault.
Error write_error(int error_number, const std::string& what, const std::filesystem::path& path);
/// The same while reading.
Error read_error(int error_number, const std::filesystem::path& path);

/// A file opened for reading, front to back.
class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  /// Up to `count` bytes; 0 only at the end.
  size_t read(char* out, size_t count);
  int64_t size() const;

 private:
  std::filesystem::path path_;
  int descriptor_;
};

/// The whole file, which must not be larger than `max_bytes` (bad_data otherwise).
std::string read_text(const std::filesystem::path& path, int64_t max_bytes);
void write_file_atomically(const std::filesystem::path& path, std::string_view text);
void sync_file(const std::filesystem::path& path);
void sync_folder(const std::filesystem::path& path);
/// Throws cannot_write unless `bytes` more can be allocated in `folder`. It tries, because statvfs sees no quotas.
void check_space(const std::filesystem::path& folder, int64_t bytes);

/// A folder that appears under its name complete, or not at all.
/// It is filled at path() (`.tmp-NAME-…` beside the final one), then commit() puts it in place.
class PendingFolder {
 public:
  /// The final path may be absent or an empty folder; its parent is created if need be.
  explicit PendingFolder(std::filesystem::path final_path);
  /// Removes what was not committed.
  ~PendingFolder();
  PendingFolder(const PendingFolder&) = delete;
  PendingFolder& operator=(const PendingFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// fsync of every file and folder inside, rename, fsync of the parent.
  void commit();

 private:
  std::filesystem::path final_path_, path_;
  int lock_ = -1;  // holds a lock on the folder while it is being filled: see remove_stale_pending
  bool is_committed_ = false;
};

/// Removes `.tmp-*` (or only `.tmp-NAME-*`) that earlier, killed processes left in `parent`; not what a living one still locks.
/// Where the file system has no locks everything goes: call it for folders that only this run writes, or with `name`.
void remove_stale_pending(const std::filesystem::path& parent, const std::string& name = "");

}  // namespace ganymede::storage
