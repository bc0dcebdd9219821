// The loop around the alternating step: report, sample, save and stop when due.
#pragma once
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "comm/communicator.hpp"
#include "train/monitor.hpp"
#include "train/observer.hpp"
#include "train/profile.hpp"
#include "train/rank_times.hpp"
#include "train/rewinder.hpp"
#include "train/session.hpp"
#include "train/trace.hpp"

namespace ganymede::train {

struct TrainRequest {
  std::filesystem::path recipe;   // or
  std::filesystem::path resume;   // a run folder or a checkpoint
  std::filesystem::path init_from;  // with a recipe: a run folder or a checkpoint whose G and D the run starts with
  std::vector<std::string> sets;
  std::filesystem::path runs = "runs";
  std::vector<std::string> argv;  // for the record
};

/// What the request's recipe (or that of the run to go on with) says of parallel.virtual_ranks. Throws Error as the reading of a recipe does.
int64_t virtual_ranks(const TrainRequest& request);

enum class Outcome { finished, stopped, collapsed };  // the last: ended by the monitor (monitor.action = "stop")

class Trainer {
 public:
  /// Checks everything and makes or reopens the run folder; collective. Throws Error on every rank if any rank cannot start.
  Trainer(const TrainRequest& request, comm::Communicator& communicator, storage::Hdf5Thread& hdf5);
  /// Its iterations go through `profile`, which outlives run() and whose communicator this was made with.
  void profile_with(Profile& profile) { profile_ = &profile; }
  /// Observers are told on rank 0.
  Outcome run(const std::vector<Observer*>& observers);
  const std::filesystem::path& run_folder() const { return folder_; }
  const RunConfig& config() const { return session_->config(); }
  /// The step from which this process went on: 0 for a new run.
  int64_t first_step() const { return first_step_; }

 private:
  void read_request(const TrainRequest& request, storage::Hdf5Thread& hdf5);
  void compare_starts();
  bool settled_iteration(const std::vector<Observer*>& observers);
  void rewind(const gan::NotFinite& fault);
  bool one_iteration(const std::vector<Observer*>& observers);
  StatisticsRow statistics();
  void report(const std::vector<Observer*>& observers);
  void draw_samples(const std::vector<Observer*>& observers);
  void save();
  void tell_losses();
  bool found_collapsed();
  void log_totals();
  Deadline deadline() const { return Deadline::in(std::chrono::duration<double>(config().parallel.deadline_s)); }
  bool is_due(int64_t every) const { return every > 0 && step_ % every == 0; }

  comm::Communicator& communicator_;
  storage::Hdf5Thread& hdf5_;
  RunConfig requested_;  // as read; the session's is the resolved one
  std::optional<checkpoint::Snapshot> start_from_, weights_from_;
  std::optional<std::filesystem::path> resume_in_place_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<checkpoint::Writer> checkpoints_;
  std::unique_ptr<Monitor> monitor_;  // where [monitor] asks for one
  bool ended_by_monitor_ = false;
  std::unique_ptr<parallel::ReplicaCheck> replicas_;  // with several ranks
  std::unique_ptr<Rewinder> rewinder_;                // where parallel.on_nonfinite asks for one
  SlowRankWatch slow_ranks_;
  int64_t reported_step_ = 0, sampled_step_ = 0;  // rows and grids up to here are out: what is repeated after a rewind is not told twice
  std::unique_ptr<Trace> trace_;
  Profile* profile_ = nullptr;  // where one was asked for
  std::filesystem::path folder_;
  std::string dataset_sha256_;
  int64_t first_step_ = 0, last_step_ = 0, step_ = 0;
  // Since the last row of statistics.
  std::chrono::steady_clock::time_point row_start_;
  int64_t row_steps_ = 0, row_images_ = 0;
  at::Tensor sample_latents_;  // fixed for the run
};

}  // namespace ganymede::train
