#include "report/progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "core/log.hpp"

namespace ganymede::report {

std::string duration(double seconds) {
  const auto s = static_cast<int64_t>(std::clamp(std::round(seconds), 0.0, 1e12));
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {:02} s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{} h {:02} min", s / 3600, s / 60 % 60);
  return fmt::format("{} d {:02} h", s / 86400, s / 3600 % 24);
}

std::string progress_line(const train::StatisticsRow& row, int64_t last_step, std::optional<double> seconds_left) {
  const int64_t percent = last_step > 0 ? 100 * row.step / last_step : 100;
  std::string line = fmt::format("step {}/{} ({}%)  loss D {:.3f} G {:.3f}  D(real) {:.2f} D(fake) {:.2f}", row.step, last_step, percent,
                                 row.loss_d, row.loss_g, row.d_real, row.d_fake);
  line += fmt::format("  {:.0f} img/s  step {:.1f} ms, data wait {:.1f}, comm {:.1f}", row.images_per_s, row.step_ms, row.data_wait_ms,
                      row.comm_exposed_ms);
  return line + (seconds_left ? "  left " + duration(*seconds_left) : std::string());
}

Progress::Progress(std::ostream& out, int columns, Clock clock) : out_(out), columns_(columns), clock_(std::move(clock)) {}

int Progress::columns_of_standard_error() {
  winsize size{};
  if (!::isatty(STDERR_FILENO)) return 0;
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void Progress::start(const train::RunFacts& facts) { last_step_ = facts.last_step; }

std::optional<double> Progress::seconds_left(const train::StatisticsRow& row) {
  const auto now = clock_();
  const auto steps_left = static_cast<double>(last_step_ - row.step);
  if (!first_tick_) {
    first_tick_ = {row.step, now};
    if (!std::isfinite(row.step_ms) || row.step_ms <= 0) return std::nullopt;
    return steps_left * row.step_ms / 1000;
  }
  if (row.step <= first_tick_->first) return std::nullopt;
  const std::chrono::duration<double> passed = now - first_tick_->second;
  return steps_left * passed.count() / static_cast<double>(row.step - first_tick_->first);
}

void Progress::tick(const train::StatisticsRow& row) {
  const std::string line = progress_line(row, last_step_, seconds_left(row));
  log::debug("{}", line);
  if (columns_ > 0) {
    // One column less than there are: a full line would wrap, and only its last part be redrawn. The cursor waits at the
    // line's start, so that a message of the log overwrites the line and is not appended to it.
    out_ << "\r\x1b[K" << line.substr(0, static_cast<size_t>(columns_ - 1)) << '\r' << std::flush;
    line_is_open_ = true;
  } else {
    out_ << line << '\n' << std::flush;
  }
}

void Progress::finish() {
  if (line_is_open_) out_ << '\n' << std::flush;
  line_is_open_ = false;
}

}  // namespace ganymede::report
