// One flipped bit in one rank's copy is found at the next check, by tensor and rank, whatever kind of tensor it is in.
#include "train/replicas.hpp"

#include <gtest/gtest.h>

#include <random>

#include "comm/thread_ranks.hpp"
#include "parallel/small_trainer.hpp"

namespace ganymede::train {
namespace {

using test::SmallTrainer;
using test::TrainerOptions;
using std::chrono_literals::operator""s;

constexpr uint64_t seed = 20261128;
constexpr int trials = 1000;

ReplicaParts parts_of(SmallTrainer& trainer) {
  return {*trainer.flat_generator, *trainer.flat_discriminator, *trainer.flat_average, *trainer.adam_generator, *trainer.adam_discriminator, *trainer.step, true};
}

TrainerOptions options_with_every_kind() {
  TrainerOptions options;
  options.net.width = 2;
  options.precision = gan::Precision::float32;
  options.regularizers.historical_averaging.weight = 0.01;  // flat state of a trick
  return options;
}

// What each rank was told, as "81 own …" or "81 peer …"; empty where the check passed.
std::string outcome(parallel::ReplicaCheck& check, int64_t step, const std::string& counters) {
  try {
    check.check(step, counters, Deadline::in(60s));
  } catch (const comm::PeerError& error) {
    return fmt::format("{} peer {}", error.exit_code(), error.what());
  } catch (const Error& error) {
    return fmt::format("{} own {}", error.exit_code(), error.what());
  }
  return {};
}

void flip(const at::Tensor& tensor, uint64_t bit) { static_cast<uint8_t*>(tensor.data_ptr())[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8)); }

std::string kind_of(const std::string& name) {
  for (const char* kind : {"exp_avg_sq", "exp_avg/", "running", "average/", "tricks/", "num_batches"})
    if (name.find(kind) != std::string::npos) return kind;
  return "parameters";
}

TEST(Replicas, EveryFlippedBitIsFoundByTensorAndRank) {
  for (const int ranks : {2, 3, 4}) {
    std::set<std::string> kinds;
    comm::run_thread_ranks(ranks, [&](comm::Communicator& communicator) {
      SmallTrainer trainer(options_with_every_kind(), communicator);
      trainer.run(2);
      const auto tensors = replicated_tensors(parts_of(trainer));
      const auto counters = replicated_counters(parts_of(trainer));
      parallel::ReplicaCheck check(communicator, tensors);
      ASSERT_EQ(outcome(check, 2, counters), "");
      std::mt19937_64 draws(seed + ranks);  // the same on every rank
      const int own_trials = ranks == 3 ? trials : trials / 10;
      int found = 0;
      for (int trial = 0; trial < own_trials; ++trial) {
        const auto& [name, tensor] = tensors[draws() % tensors.size()];
        const int odd = static_cast<int>(draws() % ranks);
        const uint64_t bit = draws() % (8 * tensor.nbytes());
        if (communicator.rank() == odd) flip(tensor, bit);
        const auto text = outcome(check, 2, counters);
        if (communicator.rank() == odd) flip(tensor, bit);
        const bool is_named = text.starts_with(communicator.rank() == 0 ? "81 own " : "81 peer ") && text.find(" " + name + " ") != std::string::npos &&
                              text.find(fmt::format("rank {} on ", odd)) != std::string::npos &&
                              (ranks == 2 || text.find(fmt::format("rank {} on ", (odd + 1) % ranks)) == std::string::npos);
        found += is_named;
        EXPECT_TRUE(is_named) << "seed " << seed + ranks << ", trial " << trial << ": bit " << bit << " of " << name << " on rank " << odd << ": " << text;
        if (communicator.rank() == 0) kinds.insert(kind_of(name));
      }
      EXPECT_EQ(outcome(check, 2, counters), "") << "all flips were taken back";
      if (communicator.rank() == 0) std::printf("%d ranks, seed %lu: %d of %d flipped bits named, in %zu tensors\n", ranks, seed + ranks, found, own_trials, tensors.size());
    });
    if (ranks == 3) {
      EXPECT_EQ(kinds.size(), 7) << "every kind of tensor is hit in the long sweep";
    }
  }
}

TEST(Replicas, CountersAreComparedToo) {
  comm::run_thread_ranks(3, [&](comm::Communicator& communicator) {
    parallel::ReplicaCheck check(communicator, {});
    EXPECT_EQ(outcome(check, 7, "7 14"), "");
    const auto text = outcome(check, 8, communicator.rank() == 1 ? "8 15" : "8 16");
    EXPECT_NE(text.find("the counters of steps of rank 1 on"), std::string::npos) << text;
    EXPECT_NE(text.find("equal after step 7"), std::string::npos) << text;
  });
}

// A flip before more steps: either it is found, or rounding has healed it and all replicas are equal again.
TEST(Replicas, NothingThatDiffersPasses) {
  comm::run_thread_ranks(2, [&](comm::Communicator& communicator) {
    SmallTrainer trainer(options_with_every_kind(), communicator);
    trainer.run(1);
    const auto tensors = replicated_tensors(parts_of(trainer));
    const auto weight = std::find_if(tensors.begin(), tensors.end(), [](const auto& one) { return one.name == "discriminator/0.weight"; });
    ASSERT_NE(weight, tensors.end());
    if (communicator.rank() == 1) flip(weight->tensor, 21);  // of the first element's mantissa
    trainer.run(3);
    parallel::ReplicaCheck check(communicator, tensors);
    EXPECT_NE(outcome(check, 4, "").find("81"), std::string::npos);
  });
}

}  // namespace
}  // namespace ganymede::train
