// What the training loop tells the outside, and when. `report` implements it; the loop knows no format and no terminal.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace ganymede::config {
class Fields;
}

namespace ganymede::train {

struct LogConfig {
  int64_t every_steps = 50;           // a row of stats.jsonl and a progress line
  int64_t samples_every_steps = 500;  // a sample grid; 0 = never
};
void describe(config::Fields& fields, LogConfig& c);

/// One row of stats.jsonl; times are means since the last row. NaN stands for "not finite" or "not measured".
struct StatisticsRow {
  int64_t step = 0;    // finished iterations
  int64_t images = 0;  // reals shown to D, all ranks
  double epoch = 0;
  double loss_d = 0, loss_g = 0;
  double d_real = 0, d_fake = 0;            // mean sigmoid(logit), or mean critic value
  double grad_norm_d = 0, grad_norm_g = 0;  // before clipping
  double lr_d = 0, lr_g = 0;                // just used
  double step_ms = 0, data_wait_ms = 0, comm_exposed_ms = 0, stat_wait_ms = 0, replay_ms = 0;
  double images_per_s = 0;
  double rss_mib = 0;                                  // the largest rank's
  std::vector<std::pair<std::string, double>> extras;  // one per active penalty or trick
};

/// What does not change during a run.
struct RunFacts {
  std::string name;
  std::filesystem::path folder;
  int64_t first_step = 0, last_step = 0;  // the loop runs first_step+1 … last_step
  int64_t global_batch = 0;
  int world_size = 1;
  uint64_t seed = 0;
  std::string recipe_sha256;
};

/// Called on rank 0 only, from the main thread, between iterations.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_start(const RunFacts& facts) = 0;
  virtual void on_statistics(const StatisticsRow& row) = 0;
  /// pictures: float [n,C,H,W] in [−1,1], or points [n,F]; name without ending, as "step-000500" or "reals".
  virtual void on_samples(const std::string& name, const at::Tensor& pictures, int64_t step) = 0;
  virtual void on_finish(int64_t step) = 0;
};

}  // namespace ganymede::train
