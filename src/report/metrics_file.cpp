#include "report/metrics_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <nlohmann/json.hpp>

#include "report/file.hpp"

namespace ganymede::report {
namespace {

std::string line_of(const MetricRow& row) {
  nlohmann::ordered_json line = {{"step", row.step}, {"metric", row.metric}, {"value", nullptr}, {"protocol", row.protocol}};
  if (std::isfinite(row.value)) line["value"] = row.value;
  return line.dump() + "\n";
}

bool ends_within_a_line(int descriptor) {
  const auto size = ::lseek(descriptor, 0, SEEK_END);
  char last = '\n';
  return size > 0 && ::pread(descriptor, &last, 1, size - 1) == 1 && last != '\n';
}

struct Descriptor {
  int value;
  ~Descriptor() { ::close(value); }
};

}  // namespace

void append_metrics(const std::filesystem::path& file, const std::vector<MetricRow>& rows) {
  std::string text;
  for (const auto& row : rows) text += line_of(row);
  const int opened = ::open(file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (opened < 0) throw_file_error("open", file, errno);
  const Descriptor descriptor{opened};
  if (ends_within_a_line(opened)) text.insert(0, "\n");
  write_all(opened, text, file);
  if (::fsync(opened) != 0) throw_file_error("sync", file, errno);
}

}  // namespace ganymede::report
