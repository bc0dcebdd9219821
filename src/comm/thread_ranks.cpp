#include "comm/thread_ranks.hpp"

#include <latch>
#include <thread>
#include <vector>

#include "comm/engine_communicator.hpp"
#include "comm/first_failure.hpp"
#include "comm/thread_transport.hpp"

namespace ganymede::comm {
void run_thread_ranks(int size, const std::function<void(Communicator&)>& body) {
  const Deadline start = Deadline::in(std::chrono::seconds(30));
  const auto hub = make_thread_hub(size);
  FirstFailure failure;
  std::vector<std::unique_ptr<Communicator>> communicators(size);  // live until all bodies have ended: a late rank may still be read from
  std::latch connected(size);  // a body that fails at once must not reach ranks that still connect
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      auto& communicator = communicators[rank];
      const auto tell = [&](const Error& error) {
        if (communicator) communicator->relay_failure(error);
      };
      try {
        try {
          communicator = make_communicator(Engine::start([&, rank] { return make_thread_transport(hub, rank); }, start), "threads", start);
        } catch (...) {
          connected.count_down();
          throw;
        }
        connected.arrive_and_wait();
        body(*communicator);
      } catch (const PeerError&) {
        failure.note(std::current_exception(), true);
      } catch (const Error& error) {
        failure.note(std::current_exception(), false);
        tell(error);
      } catch (const std::exception& error) {
        failure.note(std::current_exception(), false);
        tell(Error(Fault::bug, "{}", error.what()));
      } catch (...) {
        failure.note(std::current_exception(), false);
        tell(Error(Fault::bug, "an exception of unknown type"));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  communicators.clear();
  failure.rethrow_if_any();
}

}  // namespace ganymede::comm
