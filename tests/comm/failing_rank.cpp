// A program that fails in one of the ways the engine must survive; failure_relay_test.py starts it under mpirun and reads what each
// rank printed and the exit code. Its main does what the command's main does: print an own failure, relay it, leave with its code.
#include <ATen/ATen.h>

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <tuple>

#include "comm/connect.hpp"
#include "comm/launch.hpp"
#include "core/log.hpp"

namespace ganymede {
namespace {

using comm::Channel;
using comm::Communicator;

void fail(Communicator& comm, const std::string& how) {
  const Deadline late = Deadline::in(std::chrono::seconds(60));
  at::Tensor x = at::ones({1 << 20});
  comm.all_reduce_sum(x, "before", late);
  const bool is_culprit = comm.rank() == 1;
  if (how == "throw") {
    if (is_culprit) throw Error(Fault::bad_data, "shard-00003.h5 is cut").remedy("copy it again");
    comm.all_reduce_sum(x, "gradient", late, Channel::gradients);
  } else if (how == "throw-in-the-middle") {
    // The culprit's own part of a large sum is under way when it fails.
    const comm::Work work = comm.all_reduce_sum_async(x, "gradient", late, Channel::gradients);
    if (is_culprit) throw Error(Fault::numeric, "loss is NaN at step 7");
    work.wait();
    comm.barrier("next step", late);
  } else if (how == "compute") {
    if (is_culprit) throw Error(Fault::cannot_write, "no space left");
    while (!late.has_passed()) comm.check_peers();
  } else if (how == "late") {
    if (is_culprit) {
      while (!late.has_passed()) comm.check_peers();
    }
    comm.all_reduce_sum(x, "discriminator bucket 2", Deadline::in(comm.rank() == 0 ? std::chrono::duration<double>(0.5) : std::chrono::seconds(60)));
  } else if (how == "mismatch") {
    at::Tensor y = at::ones({is_culprit ? 30000 : 20000});
    comm.all_reduce_sum(y, "bucket", late);
  } else if (how == "skip") {
    // One rank leaves out an operation: at its place it calls the next, on the same channel or on another.
    if (!is_culprit) comm.all_reduce_sum(x, "discriminator bucket 2", late, Channel::gradients);
    comm.all_reduce_sum(x, "generator bucket 0", late, Channel::gradients);
  } else if (how == "skip-and-wait") {
    const Deadline soon = Deadline::in(std::chrono::seconds(3));
    if (!is_culprit) comm.all_reduce_sum(x, "discriminator bucket 2", soon, Channel::gradients);
    comm.barrier("another step", soon);
  } else if (how == "exit") {
    if (is_culprit) std::exit(3);
    comm.barrier("next step", late);
  } else if (how == "killed" || how == "segv") {
    if (is_culprit) std::raise(how == "killed" ? SIGKILL : SIGSEGV);
    comm.barrier("next step", late);
  } else if (how == "stopped") {
    if (is_culprit) std::raise(SIGSTOP);
    comm.barrier("next step", Deadline::in(std::chrono::seconds(3)));
  } else if (how == "stuck") {
    // The main thread waits for a file that nobody serves; only its watchdog can end the process.
    if (is_culprit) std::ignore = open(std::getenv("GANYMEDE_TEST_FIFO"), O_WRONLY);
    comm.barrier("next step", Deadline::in(std::chrono::seconds(3)));
  } else if (how == "none") {
    comm.shut_down(late);
    return;
  }
  throw Error(Fault::bug, "unreachable, or an unknown way to fail: '{}'", how);
}

int run(const std::string& how) {
  std::unique_ptr<Communicator> comm;
  try {
    comm = comm::connect(Deadline::in(std::chrono::seconds(30)));
    log::set_rank(comm->rank(), comm->size());
    fail(*comm, how);
    return 0;
  } catch (const comm::PeerError& error) {
    std::string text = error.what();
    std::replace(text.begin(), text.end(), '\n', '|');  // one line, which the launcher does not mix with those of other ranks
    std::printf("heard by rank %d: %s\n", comm->rank(), text.c_str());
    std::fflush(stdout);
    comm::let_launcher_forward();
    return error.exit_code();
  } catch (const Error& error) {
    log::error("{}", error.what());
    if (comm) comm->relay_failure(error);
    comm::let_launcher_forward();
    return error.exit_code();
  }
}

}  // namespace
}  // namespace ganymede

int main(int argc, char** argv) { return ganymede::run(argc > 1 ? argv[1] : "none"); }
