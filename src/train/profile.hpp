// `train --profile n`: what n iterations did when, a file for each rank that chrome://tracing and Perfetto open.
//
// LibTorch's own profiler (Kineto) records operators and the spans that we name (phases, data waits, waits for communication); operations
// between ranks lie beside them, from their start until the main thread had waited for them. Format: "Trace Event Format"
// (Chromium), JSON object form: complete events (ph X) nest on the main thread, operations are asynchronous ones (ph b and e).
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "train/watched_communicator.hpp"

namespace ganymede::train {

class Profile {
 public:
  static constexpr int64_t warmup_iterations = 3;  // the first ones make memory and kernels ready

  /// Collective: ranks agree on where time begins. `communicator` is kept by reference and outlives it; argv is for the record.
  Profile(comm::Communicator& communicator, int64_t iterations, std::vector<std::string> argv);
  ~Profile();
  Profile(const Profile&) = delete;

  /// The run must use this one.
  comm::Communicator& communicator() { return watched_; }
  /// Does `work`, the iteration that ends at `step`, and records it if its turn has come.
  void iteration(int64_t step, const std::function<void()>& work);
  /// Whether all has been recorded, and every operation that it started has ended: write() may follow.
  bool is_complete() const { return seen_ > warmup_iterations + iterations_; }
  /// Into FOLDER/profile/rank-N.json: what there is, also when the run was too short for all. Once.
  void write(const std::filesystem::path& folder);
  bool is_written() const { return is_written_; }

 private:
  struct Recorded;
  void start();
  void stop();

  WatchedCommunicator watched_;
  int64_t iterations_, seen_ = 0;
  std::vector<std::string> argv_;
  int64_t zero_ns_ = 0;  // of all ranks' times, since 1970
  bool is_recording_ = false, is_written_ = false;
  std::unique_ptr<Recorded> recorded_;
};

}  // namespace ganymede::train
