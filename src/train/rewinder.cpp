#include "train/rewinder.hpp"

#include "core/log.hpp"

namespace ganymede::train {

void Rewinder::keep(int64_t step) {
  step_ = step;
  kept_ = session_.capture();
  if (monitor_) monitor_->save(kept_);
}

int64_t Rewinder::go_back(const gan::NotFinite& fault) {
  if (count_ == most_) throw fault;
  ++count_;
  log::debug("{}\n  going back to step {}, for the {}. time of at most {}", fault.what(), step_, count_, most_);
  session_.step().abandon(session_.config().parallel.deadline_s);
  session_.restore(kept_, step_);
  if (monitor_) monitor_->load(kept_);
  session_.step().guard().leave_out(fault.player, fault.step);
  return step_;
}

}  // namespace ganymede::train
