// stats.jsonl: one JSON object a line for each row of statistics, first written, never changed.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "train/observer.hpp"

namespace ganymede::report {

/// Leaves the rows up to and including `step`: what a resumed run will write again must not stand there twice. A last line
/// that was cut off goes too. Rewrites the file as a whole (temporary, rename), and only where something is to go.
/// No file: nothing to do. Throws Error(Fault::cannot_write) or Error(Fault::io).
void cut_rows_after(const std::filesystem::path& file, int64_t step);

/// A row as one line of JSON without its line break; step and images are integers, what is not finite is null.
/// `with_schema`: with "schema": 1, for the first row of a file.
std::string to_json_line(const train::StatisticsRow& row, bool with_schema);

class StatsFile {
 public:
  /// Cuts rows beyond `first_step` and goes on after them.
  StatsFile(const std::filesystem::path& file, int64_t first_step);
  ~StatsFile();
  StatsFile(const StatsFile&) = delete;
  StatsFile& operator=(const StatsFile&) = delete;

  /// The whole line is with the system when this returns: a killed run loses no row.
  void append(const train::StatisticsRow& row);

 private:
  std::filesystem::path file_;
  int descriptor_ = -1;
  bool is_empty_ = true;
};

}  // namespace ganymede::report
