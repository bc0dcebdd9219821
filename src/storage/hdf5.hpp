// HDF5 files as RAII objects, over the C API (1.10, serial). Reading is by allow-list, because a file is data from
// anywhere: hard links at every component, chunked or contiguous layout, no external storage, no virtual data sets, five
// element types, known filters, the default driver, no user block. What is outside the list is Fault::bad_data with
// the names of file and data set; so is a file that is cut, damaged or no HDF5 at all.
// Everything here is called, and destroyed, on a Hdf5Thread.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/state.hpp"

namespace ganymede::storage {

/// Owns one HDF5 identifier (hid_t, which is int64_t) and the function that closes it.
class Handle {
 public:
  using Close = int (*)(int64_t);
  Handle() = default;
  Handle(int64_t id, Close close) : id_(id), close_(close) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Handle() { close(); }
  int64_t id() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }
  /// Negative if HDF5 reports a failure, as it does when what it had cached cannot be written.
  int close() { return id_ >= 0 ? close_(std::exchange(id_, -1)) : 0; }

 private:
  int64_t id_ = -1;
  Close close_ = nullptr;
};

class Dataset {
 public:
  /// uint8, int32, int64, float32 or float64.
  at::ScalarType type() const { return type_; }
  const std::vector<int64_t>& dims() const { return dims_; }
  /// Extent of a chunk along the first axis; 0 for a contiguous data set.
  int64_t chunk_rows() const { return chunk_rows_; }
  int64_t bytes() const;

  /// Rows [first, first + count) along the first axis, as `type()` in memory order; `out` holds count · row bytes.
  void read_rows(int64_t first, int64_t count, void* out) const;
  void write_rows(int64_t first, int64_t count, const void* rows);
  at::Tensor read() const;

 private:
  friend class File;
  void transfer_rows(int64_t first, int64_t count, void* out, const void* in) const;

  std::string label_;  // "data set 'samples' of FILE"
  Handle handle_;
  at::ScalarType type_ = at::kByte;
  std::vector<int64_t> dims_;
  int64_t chunk_rows_ = 0;
};

class File {
 public:
  /// For reading, by allow-list.
  static File open(const std::filesystem::path& path);
  /// For writing; replaces what is there. No time stamp is stored, so that equal content gives equal bytes.
  static File create(const std::filesystem::path& path);

  // ---- reading ----
  bool has(const std::string& name) const;
  /// Checks the allow-list and that everything declared is stored. Throws bad_data if there is no such data set.
  Dataset dataset(const std::string& name) const;
  struct Children {
    std::vector<std::string> groups, datasets;
  };
  /// What `group` ("" for the root) links to, sorted. Objects with a second name are refused: they could form a circle.
  Children children(const std::string& group) const;
  /// Integers, floating point and strings (fixed or variable length); nothing if there is no such attribute.
  std::optional<State::Value> attribute(const std::string& group, const std::string& name) const;
  std::map<std::string, State::Value> attributes(const std::string& group) const;

  // ---- writing ----
  /// chunk_rows 0: contiguous. Groups of the name are created as needed.
  Dataset create_dataset(const std::string& name, at::ScalarType type, const std::vector<int64_t>& dims, int64_t chunk_rows = 0);
  /// On the CPU, contiguous, of one of the five types; no dimensions make a scalar.
  void write(const std::string& name, const at::Tensor& tensor);
  void set_attribute(const std::string& group, const std::string& name, const State::Value& value);
  void flush();
  /// Throws what a full disk or a failing device did to the last writes; the destructor would hide it.
  void close();

  const std::filesystem::path& path() const { return path_; }

 private:
  Handle open_object(const std::string& name, bool is_group) const;
  State::Value read_attribute(int64_t object, const std::string& group, const std::string& name) const;
  Handle group_for_writing(const std::string& name);

  std::filesystem::path path_;
  Handle handle_;
};

}  // namespace ganymede::storage
