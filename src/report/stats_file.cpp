#include "report/stats_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>

#include "core/error.hpp"
#include "core/log.hpp"
#include "report/file.hpp"

namespace ganymede::report {
namespace {

nlohmann::ordered_json finite_or_null(double value) {
  if (!std::isfinite(value)) return nullptr;
  return value;
}

/// The step of a complete row; -1 if the line is none.
int64_t step_of(std::string_view line) {
  const auto row = nlohmann::json::parse(line, nullptr, false);
  if (!row.is_object()) return -1;
  const auto step = row.find("step");
  return step != row.end() && step->is_number_integer() ? step->get<int64_t>() : -1;
}

}  // namespace

void cut_rows_after(const std::filesystem::path& file, int64_t step) {
  std::error_code problem;
  if (!std::filesystem::exists(file, problem)) return;
  if (!std::filesystem::is_regular_file(file, problem))
    throw Error(Fault::bad_data, "'{}' is no file of statistics", file.string()).cause("it is a folder or a special file").remedy("move it away");
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw_file_error("read", file, errno);
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  std::string kept;
  size_t damaged = 0;
  for (size_t begin = 0; begin < text.size();) {
    const auto end = text.find('\n', begin);
    if (end == std::string::npos) break;  // cut off: the run ended while it wrote
    const auto line = std::string_view(text).substr(begin, end - begin);
    const int64_t at = step_of(line);
    damaged += at < 0;
    if (at >= 0 && at <= step) (kept += line) += '\n';
    begin = end + 1;
  }
  if (damaged > 0) log::warning("{}: {} lines are no rows of statistics and were removed", file.string(), damaged);
  if (kept.size() != text.size()) write_file_atomically(file, kept);
}

std::string to_json_line(const train::StatisticsRow& row, bool with_schema) {
  nlohmann::ordered_json line;
  if (with_schema) line["schema"] = 1;
  line["step"] = row.step;
  line["images"] = row.images;
  const std::pair<const char*, double> numbers[] = {
      {"epoch", row.epoch},
      {"loss_d", row.loss_d},
      {"loss_g", row.loss_g},
      {"d_real", row.d_real},
      {"d_fake", row.d_fake},
      {"grad_norm_d", row.grad_norm_d},
      {"grad_norm_g", row.grad_norm_g},
      {"lr_d", row.lr_d},
      {"lr_g", row.lr_g},
      {"step_ms", row.step_ms},
      {"data_wait_ms", row.data_wait_ms},
      {"comm_exposed_ms", row.comm_exposed_ms},
      {"stat_wait_ms", row.stat_wait_ms},
      {"replay_ms", row.replay_ms},
      {"images_per_s", row.images_per_s},
      {"rss_mib", row.rss_mib},
  };
  for (const auto& [key, value] : numbers) line[key] = finite_or_null(value);
  for (const auto& [key, value] : row.extras) line[key] = finite_or_null(value);
  return line.dump();
}

StatsFile::StatsFile(const std::filesystem::path& file, int64_t first_step) : file_(file) {
  cut_rows_after(file, first_step);
  descriptor_ = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw_file_error("open", file, errno);
  is_empty_ = ::lseek(descriptor_, 0, SEEK_END) == 0;
}

StatsFile::~StatsFile() { ::close(descriptor_); }

void StatsFile::append(const train::StatisticsRow& row) {
  // One write: a reader that follows the file sees whole lines.
  write_all(descriptor_, to_json_line(row, is_empty_) + "\n", file_);
  is_empty_ = false;
}

}  // namespace ganymede::report
