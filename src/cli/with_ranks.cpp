#include <ATen/Parallel.h>

#include "cli/commands.hpp"
#include "comm/connect.hpp"
#include "comm/launch.hpp"
#include "comm/topology.hpp"
#include "comm/virtual_ranks.hpp"
#include "core/error.hpp"
#include "core/log.hpp"

namespace ganymede::cli {
namespace {

constexpr std::chrono::seconds set_up_deadline{120}, shut_down_deadline{60};

void tell_others(comm::Communicator& communicator, const Error& error) {
  communicator.relay_failure(error);
  if (communicator.size() > 1) comm::let_launcher_forward();  // what the others print now
}

}  // namespace

int with_ranks(const std::function<int(comm::Communicator&)>& body) {
  const auto communicator = comm::connect(Deadline::in(set_up_deadline));
  log::set_rank(communicator->rank(), communicator->size());
  try {
    at::set_num_threads(comm::find_topology(*communicator, Deadline::in(set_up_deadline)).threads_for_rank());
    const int code = body(*communicator);
    communicator->shut_down(Deadline::in(shut_down_deadline));
    return code;
  } catch (const comm::PeerError&) {
    throw;
  } catch (const Error& error) {
    tell_others(*communicator, error);
    throw;
  } catch (const std::exception& error) {
    tell_others(*communicator, Error(Fault::bug, "{}", error.what()));
    throw;
  }
}

int with_virtual_ranks(comm::Communicator& processes, int64_t virtual_ranks, const std::function<int(comm::Communicator&)>& body) {
  if (virtual_ranks == 0) return body(processes);
  int code = 0;
  comm::run_virtual_ranks(processes, static_cast<int>(virtual_ranks), [&](comm::Communicator& communicator) {
    const int own = body(communicator);
    if (communicator.leads_process()) code = own;
  });
  return code;
}

int on_ranks(int ranks, const Program& program, const std::function<int()>& body) {
  const auto facts = comm::launcher_facts();
  const bool is_launched = facts.launcher != comm::LauncherFacts::Launcher::none;
  if (is_launched && ranks > 0 && facts.size != ranks)
    throw Error(Fault::usage, "--ranks {} under a launcher that started {}", ranks, facts.size).remedy("leave --ranks out under mpirun or srun");
  if (is_launched || ranks <= 1) return body();
  std::vector<std::string> argv;
  for (size_t i = 0; i < program.argv.size(); ++i) {
    if (program.argv[i] == "--ranks")
      ++i;
    else if (!program.argv[i].starts_with("--ranks="))
      argv.push_back(program.argv[i]);
  }
  return comm::run_mpirun(ranks, argv);
}

bool is_first_process() { return comm::launcher_facts().rank == 0; }

}  // namespace ganymede::cli
