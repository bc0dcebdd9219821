// What a run shows and writes for people and scripts: progress lines, stats.jsonl and samples/NAME.png in its folder.
#pragma once
#include <optional>
#include <ostream>
#include <string>

#include "report/progress.hpp"
#include "report/stats_file.hpp"
#include "train/observer.hpp"

namespace ganymede::report {

/// Throws Error(Fault::cannot_write) or Error(Fault::io) where a file cannot be written.
class RunReporter final : public train::Observer {
 public:
  /// Progress goes to standard error.
  RunReporter();
  /// out: where progress goes, null for none; columns: width of the terminal, 0 if it is none.
  RunReporter(std::ostream* out, int columns);

  void on_start(const train::RunFacts& facts) override;
  void on_statistics(const train::StatisticsRow& row) override;
  /// Images become a grid, points a cloud whose box is that of the first picture in the folder.
  void on_samples(const std::string& name, const at::Tensor& pictures, int64_t step) override;
  void on_finish(int64_t step) override;

 private:
  double box(const at::Tensor& points);

  std::optional<Progress> progress_;
  std::optional<StatsFile> stats_;  // open from on_start on
  train::RunFacts facts_;
  std::optional<double> box_;  // half a side, in the points' unit
};

}  // namespace ganymede::report
