// Saving and loading a whole run: all ranks or none.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "core/state.hpp"
#include "storage/files.hpp"
#include "storage/hdf5_thread.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::checkpoint {

struct CheckpointConfig {
  int64_t every_steps = 1000;  // 0 = only after the last step
  int64_t keep = 3;
};
void describe(config::Fields& fields, CheckpointConfig& c);

/// The counters of state.json.
struct Counters {
  int64_t step = 0, d_steps = 0, g_steps = 0, images = 0;
  int64_t ranks = 1;
  uint64_t seed = 0;
  std::string recipe_sha256, dataset_sha256;
};

struct Snapshot {
  Counters counters;
  State model;          // replicated: the same on every rank
  std::string recipe;   // resolved, TOML
  std::filesystem::path folder;  // that it was loaded from
};

/// A checkpoint folder whose every file has the recorded size and hash. Throws Error(Fault::bad_data) naming what is off.
Snapshot load(const std::filesystem::path& folder, storage::Hdf5Thread& hdf5);

/// Where `path` (a run folder, or a checkpoint folder) leads: the newest loadable checkpoint of a run, with a warning for each
/// damaged one that is passed over. Throws Error(Fault::bad_data) if there is none.
struct Found {
  std::filesystem::path run;  // empty where a checkpoint folder outside a run was named
  std::filesystem::path folder;
  bool named_checkpoint = false;
};
Found find(const std::filesystem::path& path);
/// Throws what makes a snapshot unfit although its files are whole.
using Check = std::function<void(const Snapshot&)>;
Snapshot load_newest(const Found& found, storage::Hdf5Thread& hdf5, const Check& check);

class Writer {
 public:
  /// run: its folder. Rank 0 writes; every call is collective.
  Writer(std::filesystem::path run, const CheckpointConfig& config, comm::Communicator& communicator, storage::Hdf5Thread& hdf5);
  ~Writer();
  /// Finishes a save under way, then starts this one; the snapshot's tensors are copies. The write runs behind training.
  void start(Snapshot snapshot, Deadline deadline);
  /// To be called after every iteration: now and then, at the same steps everywhere, asks whether all are done, and commits.
  void poll(int64_t step, Deadline deadline);
  /// Waits for the save under way and commits it. Throws on every rank what failed on rank 0; then nothing is left behind.
  void finish(Deadline deadline);

 private:
  struct Pending {
    int64_t step = 0;
    std::unique_ptr<storage::PendingFolder> folder;  // rank 0 only
    std::future<void> write;
  };
  void commit(Deadline deadline);
  void remove_old();
  std::filesystem::path run_;
  CheckpointConfig config_;
  comm::Communicator& communicator_;
  storage::Hdf5Thread& hdf5_;
  std::optional<Pending> pending_;
};

}  // namespace ganymede::checkpoint
