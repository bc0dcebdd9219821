// A State as an HDF5 file that h5py reads: tensor "optimizer/generator/exp_avg/0.weight" is data set `0.weight` in nested
// groups. Only the last component may hold dots, and it is one link. bfloat16 is stored as float32, which holds it exactly.
// Equal states give equal bytes.
#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "core/state.hpp"
#include "storage/hdf5_thread.hpp"

namespace ganymede::storage {

class File;

/// Writes and fsyncs `path`, replacing it; a file that could not be finished is removed. For one that must be old or
/// new, write into a PendingFolder. Any thread may call; the work is done on the Hdf5Thread as a write.
void write_state(Hdf5Thread& thread, const std::filesystem::path& path, const State& state);

/// Every tensor and every group attribute. Throws bad_data, naming file and data set, for whatever hdf5.hpp refuses.
State read_state(Hdf5Thread& thread, const std::filesystem::path& path);

/// A state file that grows: tensors are added over time, each is written once.
class StateWriter {
 public:
  StateWriter(Hdf5Thread& thread, std::filesystem::path path);
  /// Closes without reporting failures; call close() to hear of them.
  ~StateWriter();
  StateWriter(const StateWriter&) = delete;
  StateWriter& operator=(const StateWriter&) = delete;

  /// The tensor is copied to the file before this returns; any device and layout will do.
  void add(const std::string& name, const at::Tensor& tensor);
  void set(const std::string& group, const std::string& name, const State::Value& value);
  /// Everything written so far can be read by others.
  void flush();
  /// Flushes, closes and fsyncs.
  void close();

 private:
  Hdf5Thread& thread_;
  std::filesystem::path path_;
  std::unique_ptr<File> file_;  // touched on the Hdf5Thread only
};

}  // namespace ganymede::storage
