// [monitor]: checks during a run whether G has lost modes, and how steep D is where it matters. Every so many iterations n fakes of
// the current G (evaluation mode; purpose eval, step = iteration) stand against two sets of n reals that training never sees.
// Each rank makes its part of the samples and all gather them, so every rank comes to the same judgement.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "comm/communicator.hpp"
#include "core/state.hpp"
#include "evaluate/collapse_check.hpp"
#include "train/session.hpp"

namespace ganymede::train {

class Monitor {
 public:
  /// Throws Error(Fault::recipe) where the data set has no reals to spare. Both are kept by reference.
  Monitor(Session& session, comm::Communicator& communicator);

  /// D's losses over all ranks, in order, in the form whose value at chance is log 4.
  void see_losses(const std::vector<double>& losses);
  /// After iteration `step`, settled; collective. Returns whether the run has just been found collapsed.
  bool check(int64_t step, const evaluate::CheckNumbers& numbers);
  /// Of the last check, for the first row of statistics after it; the same on every rank.
  std::vector<std::pair<std::string, double>> take_figures() { return std::exchange(figures_, {}); }
  evaluate::CollapseState state() const { return check_->monitor().state(); }

  void save(State& state) const;
  void load(const State& state);

 private:
  struct Set {
    at::Tensor samples, labels;  // of this rank, as networks take them
  };
  Set reals(int64_t step, int64_t first) const;
  Set fakes(int64_t step) const;
  at::Tensor shown(const Set& set) const;
  nets::Pass pass_of(const at::Tensor& labels) const;
  at::Tensor features(const Set& set) const;
  at::Tensor classes(const Set& set) const;
  at::Tensor gathered(const at::Tensor& own, const char* what) const;
  void measure_slopes(int64_t step, const Set& fake, const Set& real);

  Session& session_;
  comm::Communicator& communicator_;
  int64_t samples_, first_ = 0, own_ = 0;  // of a set; this rank's part of it
  int64_t joined_ = 1;                     // samples of one source that D judges together
  bool is_paired_ = false;                 // D judges a real and a fake together
  int64_t penultimate_ = -1;               // D's layer whose output are the features; -1: the samples themselves
  bool wants_slopes_ = false;
  std::shared_ptr<nets::Network> classifier_;  // where [monitor] names one
  std::unique_ptr<evaluate::CollapseCheck> check_;
  std::vector<std::pair<std::string, double>> figures_;
};

}  // namespace ganymede::train
