#include "core/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <memory>
#include <mutex>

namespace ganymede::log {
namespace {

// The log is the one thing a whole process shares by nature: its standard error.
struct Sinks {
  std::mutex mutex;  // guards all members
  std::shared_ptr<spdlog::sinks::sink> console = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  std::shared_ptr<spdlog::sinks::sink> file;
  std::string prefix;
  int rank = 0;
};
Sinks& sinks() {
  static Sinks all;
  return all;
}

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warning: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

void set_rank(int rank, int world_size) {
  std::lock_guard lock(sinks().mutex);
  sinks().rank = rank;
  sinks().prefix = world_size > 1 ? fmt::format("rank {}: ", rank) : "";
}

void open_file(const std::filesystem::path& file) {
  std::lock_guard lock(sinks().mutex);
  sinks().file = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file.string());
  sinks().file->set_pattern("%Y-%m-%d %H:%M:%S.%e %l %v");
}

void write(Level level, std::string_view text) {
  std::lock_guard lock(sinks().mutex);
  auto& all = sinks();
  const auto at = spdlog_level(level);
  if (all.file) {
    all.file->log(spdlog::details::log_msg("ganymede", at, spdlog::string_view_t(text.data(), text.size())));
    all.file->flush();
  }
  const bool to_console = level == Level::error || level == Level::warning || (level == Level::info && all.rank == 0);
  if (!to_console) return;
  std::string line = level == Level::info ? "" : all.prefix;
  if (level == Level::warning) line += "warning: ";
  if (level == Level::error) line += "error: ";
  line += text;
  all.console->set_pattern("%v");
  all.console->log(spdlog::details::log_msg("ganymede", at, spdlog::string_view_t(line.data(), line.size())));
  all.console->flush();
}

}  // namespace ganymede::log
