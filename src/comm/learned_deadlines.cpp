#include "comm/learned_deadlines.hpp"

#include <algorithm>
#include <cmath>

namespace ganymede::comm {
namespace {

constexpr double least_s = 1e-6;
constexpr int64_t kept = 8192;  // at twice as many all counts are halved, so that the last ones decide

}  // namespace

void Percentile::add(double seconds) {
  const double octaves = std::log2(std::max(seconds, least_s) / least_s);
  ++counts_[std::clamp(static_cast<int>(octaves * 8), 0, classes - 1)];
  if (++count_ < 2 * kept) return;
  count_ = 0;
  for (int64_t& count : counts_) count_ += count /= 2;
}

double Percentile::p99_s() const {
  if (count_ == 0) return 0;
  int64_t above = 0;
  int c = classes - 1;
  while (c > 0 && 100 * (above + counts_[c]) <= count_) above += counts_[c--];
  return least_s * std::exp2((c + 1) / 8.0);
}

void LearnedDeadlines::enter(Section section) {
  if (section != section_) {
    Rare& left = rare_[static_cast<size_t>(section_)];
    left.longest_s = left.longest_now_s;
    left.has_ended = true;
  }
  section_ = section;
}

void LearnedDeadlines::observe(Section section, double seconds) {
  if (section == Section::step) steps_.add(seconds);
  Rare& rare = rare_[static_cast<size_t>(section)];
  rare.longest_now_s = std::max(rare.longest_now_s, seconds);
}

double LearnedDeadlines::learned_s() const {
  if (section_ == Section::set_up) return 0;  // happens once
  if (section_ == Section::step) return steps_.count() < enough ? 0 : times_p99 * steps_.p99_s();
  const Rare& rare = rare_[static_cast<size_t>(section_)];
  return rare.has_ended ? times_p99 * rare.longest_s : 0;
}

Deadline LearnedDeadlines::tighten(Deadline longest) const {
  if (!is_learning()) return longest;
  const double learned = learned_s();
  if (learned == 0) return longest;
  const double span_s = std::max(floor_s_, learned);
  return span_s < longest.span_s() ? Deadline::in(std::chrono::duration<double>(span_s)) : longest;
}

}  // namespace ganymede::comm
