#include "train/agreement.hpp"

#include <gtest/gtest.h>

#include "comm/thread_ranks.hpp"

namespace ganymede::train {
namespace {

// What each of `ranks` ranks threw: "own: TEXT", "peer: TEXT", or nothing.
std::vector<std::string> outcomes(int ranks, const std::function<void(int)>& work) {
  std::vector<std::string> seen(ranks);
  comm::run_thread_ranks(ranks, [&](comm::Communicator& communicator) {
    try {
      agree(communicator, "test", [&] { work(communicator.rank()); });
    } catch (const comm::PeerError& error) {
      seen[communicator.rank()] = std::string("peer: ") + error.what();
    } catch (const Error& error) {
      seen[communicator.rank()] = std::string("own: ") + error.what();
    }
  });
  return seen;
}

TEST(Agreement, LetsAllGoOn) { EXPECT_EQ(outcomes(3, [](int) {}), (std::vector<std::string>{"", "", ""})); }

TEST(Agreement, StopsAllWithTheOneFailure) {
  const auto seen = outcomes(3, [](int rank) {
    if (rank == 1) throw Error(Fault::bad_data, "only rank 1 saw it");
  });
  EXPECT_EQ(seen, (std::vector<std::string>{"peer: only rank 1 saw it", "own: only rank 1 saw it", "peer: only rank 1 saw it"}));
}

TEST(Agreement, PrintsOneTextOnce) {
  const auto seen = outcomes(2, [](int) { throw Error(Fault::recipe, "the same on all"); });
  EXPECT_EQ(seen, (std::vector<std::string>{"own: the same on all", "peer: the same on all"}));
}

TEST(Agreement, TurnsAnUnknownExceptionIntoABug) {
  const auto seen = outcomes(2, [](int rank) {
    if (rank == 0) throw std::runtime_error("surprise");
  });
  EXPECT_EQ(seen[0], "own: test: surprise");
}

}  // namespace
}  // namespace ganymede::train
