// Of several threads that fail together: which failure counts.
#pragma once
#include <exception>
#include <mutex>

namespace ganymede::comm {

/// Keeps the first failure; an original replaces an echo of another rank's.
class FirstFailure {
 public:
  void note(std::exception_ptr failure, bool is_echo) {
    std::lock_guard lock(mutex_);
    if (failure_ && (is_echo || !is_echo_)) return;
    failure_ = std::move(failure);
    is_echo_ = is_echo;
  }
  void rethrow_if_any() {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  std::mutex mutex_;
  std::exception_ptr failure_;
  bool is_echo_ = false;
};

}  // namespace ganymede::comm
