#include "evaluate/collapse_monitor.hpp"

#include <ATen/ops/full.h>

#include <algorithm>
#include <initializer_list>

#include "core/saved_values.hpp"

namespace ganymede::evaluate {
namespace {

constexpr int64_t calm_checks_to_learn = 5, most_learning_checks = 40;
constexpr size_t warn_window = 4, collapse_window = 6;
constexpr int64_t hits_to_warn = 3, hits_to_collapse = 5, clean_checks_to_recover = 6;

bool is_at(const Levels& levels, Indicator indicator, Level least) {
  const auto& level = levels[static_cast<size_t>(indicator)];
  return level && *level >= least;
}

bool is_any_at(const Levels& levels, std::initializer_list<Indicator> indicators, Level least) {
  return std::any_of(indicators.begin(), indicators.end(), [&](Indicator i) { return is_at(levels, i, least); });
}

void push(std::deque<bool>& window, bool mark, size_t most) {
  window.push_back(mark);
  if (window.size() > most) window.pop_front();
}

int64_t marks(const std::deque<bool>& window) { return std::count(window.begin(), window.end(), true); }

// Oldest first, -1 behind the last.
at::Tensor to_tensor(const std::deque<bool>& window, size_t most) {
  auto row = at::full({static_cast<int64_t>(most)}, -1, at::kLong);
  for (size_t i = 0; i < window.size(); ++i) row[static_cast<int64_t>(i)] = static_cast<int64_t>(window[i]);
  return row;
}

std::deque<bool> to_window(const at::Tensor& row) {
  std::deque<bool> window;
  for (int64_t i = 0; i < row.numel() && row[i].item<int64_t>() >= 0; ++i) window.push_back(row[i].item<int64_t>() != 0);
  return window;
}

}  // namespace

CollapseState CollapseMonitor::see(const Levels& levels) {
  ++checks_;
  if (is_learning_)
    learn(levels);
  else
    count(levels);
  return state_;
}

void CollapseMonitor::learn(const Levels& levels) {
  using enum Indicator;
  calm_checks_ = is_any_at(levels, {diversity, two_sample, coverage}, Level::collapse) ? 0 : calm_checks_ + 1;
  is_learning_ = calm_checks_ < calm_checks_to_learn && checks_ < most_learning_checks;
}

void CollapseMonitor::count(const Levels& levels) {
  using enum Indicator;
  bool is_clean = true, is_warned = false;
  for (size_t i = 0; i < indicator_count; ++i) {
    if (!levels[i]) continue;
    const bool is_hit = *levels[i] >= Level::warn;
    push(hits_[i], is_hit, warn_window);
    is_clean = is_clean && !is_hit;
    is_warned = is_warned || marks(hits_[i]) >= hits_to_warn;
  }
  const bool is_collapse = is_any_at(levels, {diversity, classes, two_sample, coverage}, Level::collapse);
  push(collapse_hits_, is_collapse || is_at(levels, duplicates, Level::warn), collapse_window);
  clean_checks_ = is_clean ? clean_checks_ + 1 : 0;

  if (clean_checks_ >= clean_checks_to_recover) state_ = CollapseState::ok;
  if (is_warned && state_ == CollapseState::ok) state_ = CollapseState::warn;
  if (marks(collapse_hits_) >= hits_to_collapse) state_ = CollapseState::collapsed;
}

void CollapseMonitor::save(State& state, const std::string& group) const {
  auto& values = state.attributes[group];
  values["state"] = static_cast<int64_t>(state_);
  values["learning"] = static_cast<int64_t>(is_learning_);
  values["checks"] = checks_;
  values["calm_checks"] = calm_checks_;
  values["clean_checks"] = clean_checks_;
  auto hits = at::full({static_cast<int64_t>(indicator_count), static_cast<int64_t>(warn_window)}, -1, at::kLong);
  for (size_t i = 0; i < indicator_count; ++i) hits[static_cast<int64_t>(i)].copy_(to_tensor(hits_[i], warn_window));
  state.tensors[group + "/hits"] = hits;
  state.tensors[group + "/collapse_hits"] = to_tensor(collapse_hits_, collapse_window);
}

void CollapseMonitor::load(const State& state, const std::string& group) {
  const auto hits = saved_tensor(state, group + "/hits");
  if (hits.dim() != 2 || hits.size(0) != static_cast<int64_t>(indicator_count))
    throw Error(Fault::bad_data, "the checkpoint's '{}/hits' is not one row for each of {} indicators", group, indicator_count);
  for (size_t i = 0; i < indicator_count; ++i) hits_[i] = to_window(hits[static_cast<int64_t>(i)]);
  collapse_hits_ = to_window(saved_tensor(state, group + "/collapse_hits"));
  const auto number = [&](const char* name) { return saved_value<int64_t>(state, group, name); };
  state_ = static_cast<CollapseState>(std::clamp<int64_t>(number("state"), 0, 2));
  is_learning_ = number("learning") != 0;
  checks_ = number("checks");
  calm_checks_ = number("calm_checks");
  clean_checks_ = number("clean_checks");
}

}  // namespace ganymede::evaluate
