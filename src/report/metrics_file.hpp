// metrics.jsonl: one JSON object a line for each figure of quality, `step metric value protocol`. Only ever grows: a figure that is
// measured again is a further line.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ganymede::report {

struct MetricRow {
  int64_t step = 0;
  std::string metric;
  double value = 0;      // not finite: null in the file
  std::string protocol;  // what was measured and how; figures of two protocols must not be compared
};

/// Appends all rows with one write, then fsync: a reader sees whole lines, and what a killed writer left of a line stays alone on its own.
/// Throws Error(Fault::cannot_write) or Error(Fault::io).
void append_metrics(const std::filesystem::path& file, const std::vector<MetricRow>& rows);

}  // namespace ganymede::report
