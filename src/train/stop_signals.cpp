#include "train/stop_signals.hpp"

#include <csignal>

namespace ganymede::train {
namespace {

volatile std::sig_atomic_t stop_flag = 0;

void on_signal(int) { stop_flag = 1; }

}  // namespace

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART | SA_RESETHAND;
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP}) sigaction(signal, &action, nullptr);
}

bool stop_was_asked() { return stop_flag != 0; }

}  // namespace ganymede::train
