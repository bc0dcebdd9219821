#include "train/start_check.hpp"

#include <gtest/gtest.h>

#include <mutex>

#include "comm/thread_ranks.hpp"

namespace ganymede::train {
namespace {

using std::chrono_literals::operator""s;

std::vector<std::string> outcomes(int ranks, const std::function<std::vector<StartFact>(int)>& facts) {
  std::vector<std::string> seen(ranks);
  comm::run_thread_ranks(ranks, [&](comm::Communicator& communicator) {
    try {
      require_equal(communicator, facts(communicator.rank()), "test", Deadline::in(60s));
    } catch (const comm::PeerError& error) {
      seen[communicator.rank()] = fmt::format("{} peer {}", error.exit_code(), error.what());
    } catch (const Error& error) {
      seen[communicator.rank()] = fmt::format("{} own {}", error.exit_code(), error.what());
    }
  });
  return seen;
}

// The twelve things that must not differ, each on one rank in turn; what cannot be set up from outside is here only.
TEST(StartCheck, EachFactIsRefusedWithBothValuesAndRanks) {
  const std::vector<std::string> names = {"program", "libraries", "recipe", "data set", "threads", "layers of G", "buckets", "seed", "number of ranks", "device", "precision", "step to go on from"};
  for (const int ranks : {2, 4})
    for (size_t n = 0; n < names.size(); ++n) {
      const int odd = static_cast<int>(n) % ranks;
      const auto seen = outcomes(ranks, [&](int rank) {
        std::vector<StartFact> facts;
        for (const auto& name : names) facts.push_back({name, "shared line\nvalue " + std::string(name == names[n] && rank == odd ? "B" : "A")});
        return facts;
      });
      for (int r = 0; r < ranks; ++r) {
        EXPECT_TRUE(seen[r].starts_with(r == 0 ? "69 own " : "69 peer ")) << seen[r];
        EXPECT_NE(seen[r].find(names[n] + ": value "), std::string::npos) << seen[r];
        EXPECT_NE(seen[r].find(fmt::format("value B on rank {} (", odd)), std::string::npos) << seen[r];
        EXPECT_NE(seen[r].find("value A on rank"), std::string::npos) << seen[r];
        EXPECT_EQ(seen[r].find("shared line"), std::string::npos) << seen[r];
      }
    }
}

TEST(StartCheck, EqualRanksGoOn) { EXPECT_EQ(outcomes(3, [](int) { return std::vector<StartFact>{{"a", "1"}}; }), (std::vector<std::string>(3))); }

TEST(StartCheck, RanksOfAnotherProgramMayCompareOtherThings) {
  const auto seen = outcomes(2, [](int rank) { return std::vector<StartFact>{{"a", "1"}, {rank == 0 ? "b" : "c", "2"}}; });
  EXPECT_NE(seen[0].find("b: "), std::string::npos) << seen[0];
  EXPECT_NE(seen[0].find("not compared on rank 1"), std::string::npos) << seen[0];
}

}  // namespace
}  // namespace ganymede::train
