#include "comm/operation_ring.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace ganymede::comm {
namespace {

constexpr size_t report_lines = 8;

double seconds(std::chrono::steady_clock::duration span) { return std::chrono::duration<double>(span).count(); }

std::string readable_s(double s) { return s < 1 ? fmt::format("{:.1f} ms", s * 1e3) : fmt::format("{:.1f} s", s); }

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// A cause stands in its line; the remedy and what follows is for the rank whose failure it is.
std::string short_text(const std::string& text) {
  std::string joined = first_line(text);
  const auto cause = text.find("\n  cause: ");
  if (cause != std::string::npos) joined += "; " + first_line(text.substr(cause + 10));
  return joined;
}

}  // namespace

std::string OperationRecord::call() const { return fmt::format("#{} {}", number, describe_call(kind, name, bytes, type)); }

std::string OperationRecord::line(std::chrono::steady_clock::time_point now) const {
  const std::string took = readable_s(seconds(ended_at - submitted_at));
  switch (state) {
    case State::submitted: return fmt::format("{}: waits to begin for {}", call(), readable_s(seconds(now - submitted_at)));
    case State::in_flight: return fmt::format("{}: in flight for {}", call(), readable_s(seconds(now - submitted_at)));
    case State::done: return fmt::format("{}: done in {}, {} ago", call(), took, readable_s(seconds(now - ended_at)));
    case State::failed: return fmt::format("{}: ended unfinished after {}{}{}", call(), took, missing.empty() ? "" : "; missing: ", missing);
  }
  return call();
}

void OperationRing::set_floor(double floor_s, double longest_s) {
  std::lock_guard lock(mutex_);
  deadlines_.set_floor(floor_s);
  longest_s_ = longest_s;
  last_activity_ = Clock::now();
}

void OperationRing::enter(Section section) {
  std::lock_guard lock(mutex_);
  deadlines_.enter(section);
  last_activity_ = Clock::now();
}

uint64_t OperationRing::add(Operation& operation) {
  std::lock_guard lock(mutex_);
  operation.set_deadline(deadlines_.tighten(operation.info().deadline));
  const OperationInfo& info = operation.info();
  const uint64_t number = count_++;
  last_activity_ = Clock::now();
  OperationRecord& entry = ring_[number % capacity];
  entry = {.number = number, .kind = info.kind, .name = info.name, .channel = info.channel, .section = deadlines_.section(),
           .bytes = info.bytes, .type = info.type, .state = OperationRecord::State::submitted, .submitted_at = last_activity_, .ended_at = {},
           .deadline_at = info.deadline.moment(), .deadline_s = info.deadline.span_s(), .missing = {}};
  return number;
}

void OperationRing::set_place(std::string place) {
  std::lock_guard lock(mutex_);
  place_ = std::move(place);
}

void OperationRing::begin(uint64_t number) {
  std::lock_guard lock(mutex_);
  OperationRecord& entry = ring_[number % capacity];
  if (entry.number == number) entry.state = OperationRecord::State::in_flight;
}

void OperationRing::end(uint64_t number, bool has_failed, std::string missing) {
  std::lock_guard lock(mutex_);
  last_activity_ = Clock::now();
  OperationRecord& entry = ring_[number % capacity];
  if (entry.number != number) return;  // overwritten by a later one
  entry.state = has_failed ? OperationRecord::State::failed : OperationRecord::State::done;
  entry.ended_at = last_activity_;
  entry.missing = std::move(missing);
  if (!has_failed) deadlines_.observe(entry.section, seconds(entry.ended_at - entry.submitted_at));
}

void OperationRing::fail(int code, const std::string& text, bool is_peers) {
  std::lock_guard lock(mutex_);
  if (failure_) return;
  failure_ = {code, text, is_peers, Clock::now()};
  has_failed_.store(true, std::memory_order_release);
}

std::optional<OperationRing::Failure> OperationRing::failure() {
  std::lock_guard lock(mutex_);
  return failure_;
}

std::vector<OperationRecord> OperationRing::recent_locked() const {
  std::vector<OperationRecord> records;
  for (uint64_t number = count_ - std::min<uint64_t>(count_, capacity); number < count_; ++number) records.push_back(ring_[number % capacity]);
  return records;
}

std::vector<OperationRecord> OperationRing::recent() {
  std::lock_guard lock(mutex_);
  return recent_locked();
}

std::string OperationRing::place() {
  std::lock_guard lock(mutex_);
  return place_;
}

std::string OperationRing::status() {
  std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  const auto records = recent_locked();
  const auto unfinished = std::find_if(records.begin(), records.end(), [](const OperationRecord& record) { return !record.has_ended(); });
  const std::string in = fmt::format("in {}", section_name(deadlines_.section()));
  if (unfinished != records.end()) return fmt::format("{} is {} at {}", place_, in, unfinished->line(now));
  if (records.empty()) return fmt::format("{} is {} and has called nothing yet", place_, in);
  return fmt::format("{} is {} and waits for no rank; its last call was {}", place_, in, records.back().line(now));
}

std::string OperationRing::report_locked(const std::vector<std::string>& of_others, Clock::time_point now) {
  std::string report;
  if (failure_ && failure_->is_peers) report += fmt::format("{} stops: {}\n", place_, short_text(failure_->text));
  if (failure_ && !failure_->is_peers) report += fmt::format("{} ends the job: {}\n", place_, short_text(failure_->text));
  if (!failure_ || failure_->code != static_cast<int>(Fault::peer)) return report;  // whatever the reason, it is no hang
  const auto records = recent_locked();
  report += fmt::format("{}: its last operations ({}):\n", place_, section_name(deadlines_.section()));
  // Unfinished ones that the last lines do not show come first.
  const size_t first = records.size() - std::min(records.size(), report_lines);
  size_t shown = 0;
  for (size_t i = 0; i < first && shown < report_lines; ++i) {
    if (records[i].state == OperationRecord::State::done) continue;
    report += fmt::format("  {}\n", records[i].line(now));
    ++shown;
  }
  for (size_t i = first; i < records.size(); ++i) report += fmt::format("  {}\n", records[i].line(now));
  for (const std::string& other : of_others) report += fmt::format("  {}\n", other);
  return report;
}

std::string OperationRing::take_report(const std::vector<std::string>& of_others) {
  std::lock_guard lock(mutex_);
  if (is_reported_ || !failure_) return {};
  is_reported_ = true;
  return report_locked(of_others, Clock::now());
}

std::optional<OperationRecord> OperationRing::overdue(Clock::time_point moment) {
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return std::nullopt;
  for (uint64_t number = count_ - std::min<uint64_t>(count_, capacity); number < count_; ++number) {
    const OperationRecord& record = ring_[number % capacity];
    if (!record.has_ended() && record.deadline_at < moment) return record;
  }
  return std::nullopt;
}

std::optional<OperationRecord> OperationRing::last_before_silence(Clock::time_point now) {
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || longest_s_ == 0 || count_ == 0 || seconds(now - last_activity_) < longest_s_) return std::nullopt;
  for (uint64_t number = count_ - std::min<uint64_t>(count_, capacity); number < count_; ++number)
    if (!ring_[number % capacity].has_ended()) return std::nullopt;  // its own deadline watches
  return ring_[(count_ - 1) % capacity];
}

bool OperationRing::try_failure(Failure& failure) {
  if (!has_failed()) return false;
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return false;
  failure = *failure_;
  return true;
}

}  // namespace ganymede::comm
