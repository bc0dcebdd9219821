// A float32 run's bits do not depend on the number of processes that its virtual ranks live in.
#include "comm/virtual_ranks.hpp"

#include <gtest/gtest.h>

#include "comm/thread_ranks.hpp"
#include "parallel/small_trainer.hpp"

namespace ganymede {
namespace {

using test::SmallTrainer;
using test::TrainerOptions;

// One process is one thread rank; its virtual ranks are threads of it.
std::vector<at::Tensor> weights_of(const TrainerOptions& options, int processes, int ranks, int iterations) {
  std::vector<at::Tensor> weights(ranks);
  comm::run_thread_ranks(processes, [&](comm::Communicator& outer) {
    comm::run_virtual_ranks(outer, ranks, [&](comm::Communicator& communicator) {
      SmallTrainer trainer(options, communicator);
      trainer.run(iterations);
      weights[communicator.rank()] = trainer.weights();
    });
  });
  return weights;
}

TEST(VirtualRanks, BitsDoNotDependOnProcesses) {
  TrainerOptions dcgan28, dcgan32, mlp, many_buckets;
  dcgan32.shape = {false, 32, 32, 3, 0};
  mlp.net = {nets::Kind::mlp, 32, 2};
  mlp.shape = {true, 0, 0, 0, 2};
  many_buckets.parallel.bucket_mib = 0.01;
  many_buckets.objective.d_steps = 2;
  int which = 0;
  for (auto options : {dcgan28, dcgan32, mlp, many_buckets}) {
    options.precision = gan::Precision::float32;
    options.global_batch = 16;
    const auto alone = weights_of(options, 1, 4, 20);
    for (int r = 1; r < 4; ++r) EXPECT_TRUE(at::equal(alone[r], alone[0])) << "case " << which << ": virtual rank " << r << " drifted";
    for (const int processes : {2, 4})
      EXPECT_TRUE(at::equal(weights_of(options, processes, 4, 20)[0], alone[0])) << "case " << which << " on " << processes << " processes";
    ++which;
  }
}

}  // namespace
}  // namespace ganymede
