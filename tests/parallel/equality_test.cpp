// P1 on threads: N samples on R ranks give the weights of N samples on one rank, for every way the step can be set up.
// (On real processes: tests/program/equality_test.py.)
#include <gtest/gtest.h>

#include "comm/thread_ranks.hpp"
#include "parallel/small_trainer.hpp"

namespace ganymede {
namespace {

using test::SmallTrainer;
using test::TrainerOptions;

// Of rank 0; replicas must be equal, but for the running statistics of local batch norm.
at::Tensor weights_after(const TrainerOptions& options, int ranks, int iterations) {
  std::vector<at::Tensor> weights(ranks);
  comm::run_thread_ranks(ranks, [&](comm::Communicator& communicator) {
    SmallTrainer trainer(options, communicator);
    trainer.run(iterations);
    weights[communicator.rank()] = trainer.weights();
  });
  if (options.parallel.batch_norm == parallel::BatchNormScope::global)
    for (int r = 1; r < ranks; ++r) EXPECT_TRUE(at::equal(weights[r], weights[0])) << "replica " << r << " drifted";
  return weights[0];
}

double difference(const at::Tensor& a, const at::Tensor& b) { return ((a - b).abs() / (a.abs() + 1e-3)).max().item<double>(); }

std::vector<std::pair<std::string, TrainerOptions>> cases() {
  TrainerOptions mlp;
  mlp.net = {nets::Kind::mlp, 8, 2};
  mlp.shape = {true, 0, 0, 0, 2};
  TrainerOptions dcgan28, dcgan32;
  dcgan32.net.width = 2;
  dcgan32.shape = {false, 32, 32, 3, 0};
  std::vector<std::pair<std::string, TrainerOptions>> all;
  const auto add = [&](const std::string& name, TrainerOptions o, auto change) {
    change(o);
    all.emplace_back(name, o);
  };
  const auto nothing = [](TrainerOptions&) {};
  add("mlp", mlp, nothing);
  add("dcgan28", dcgan28, nothing);
  add("dcgan32", dcgan32, nothing);
  add("dcgan28 uneven", dcgan28, [](TrainerOptions& o) { o.global_batch = 13, o.streams = 5; });
  add("dcgan32 uneven, 2 D steps", dcgan32, [](TrainerOptions& o) { o.global_batch = 13, o.streams = 5, o.objective.d_steps = 2; });
  add("dcgan28 2 G steps", dcgan28, [](TrainerOptions& o) { o.objective.g_steps = 2; });
  add("dcgan28 reused fakes, 2 G steps", dcgan28, [](TrainerOptions& o) { o.tricks.reuse_fakes = true, o.objective.g_steps = 2; });
  add("dcgan32 accumulate 2", dcgan32, [](TrainerOptions& o) { o.objective.accumulate = 2; });
  add("mlp, a sample a micro-batch", mlp, [](TrainerOptions& o) { o.global_batch = 7, o.streams = 4, o.objective.accumulate = 7; });
  add("dcgan28, micro-batches without a sample of some rank", dcgan28, [](TrainerOptions& o) { o.global_batch = 8, o.streams = 8, o.objective.accumulate = 5; });
  add("dcgan32, micro-batches without a sample of some rank", dcgan32, [](TrainerOptions& o) { o.global_batch = 8, o.streams = 8, o.objective.accumulate = 3; });
  add("mlp joint, half, minimax", mlp, [](TrainerOptions& o) {
    o.objective.d_batch = gan::ObjectiveConfig::DBatch::joint, o.objective.d_loss = gan::LossScale::half, o.objective.loss = gan::Loss::minimax;
  });
  add("mlp wasserstein, RMSprop", mlp, [](TrainerOptions& o) {
    o.objective.loss = gan::Loss::wasserstein, o.optimizer.kind = gan::OptimizerConfig::Kind::rmsprop;
  });
  add("mlp hinge", mlp, [](TrainerOptions& o) { o.objective.loss = gan::Loss::hinge; });
  add("mlp least squares", mlp, [](TrainerOptions& o) { o.objective.loss = gan::Loss::least_squares; });
  add("dcgan28, spectral norm, mean pooling, nearest; micro-batches without a sample of some rank", dcgan28, [](TrainerOptions& o) {
    o.discriminator.spectral_norm = true, o.discriminator.down = nets::Down::average, o.generator.upsample = nets::Upsampling::nearest;
    o.global_batch = 8, o.streams = 8, o.objective.accumulate = 5;
  });
  add("dcgan32, spectral norm, ELU, largest of pools, pixel norm, bilinear; micro-batches without a sample of some rank", dcgan32, [](TrainerOptions& o) {
    o.discriminator.spectral_norm = true, o.discriminator.down = nets::Down::largest, o.discriminator.head = nets::Head::average;
    o.discriminator.activation = nets::Activation::elu, o.generator.activation = nets::Activation::elu;
    o.generator.norm = nets::Norm::pixel, o.generator.upsample = nets::Upsampling::bilinear;
    o.global_batch = 8, o.streams = 8, o.objective.accumulate = 3;
  });
  add("dcgan28 equalized, leaky G, sum pooling, uneven", dcgan28, [](TrainerOptions& o) {
    o.discriminator.equalized_lr = o.generator.equalized_lr = true, o.discriminator.head = nets::Head::sum;
    o.generator.activation = nets::Activation::leaky_relu, o.global_batch = 13, o.streams = 5;
  });
  add("mlp spectral norm, batch norm", mlp, [](TrainerOptions& o) { o.discriminator.spectral_norm = true, o.generator.norm = o.discriminator.norm = nets::Norm::batch; });
  add("mlp uniform latents", mlp, [](TrainerOptions& o) { o.latent.prior = nets::Prior::uniform; });
  return all;
}

TEST(Equality, HoldsForEveryWayToStep) {
  for (const auto& [name, options] : cases()) {
    const auto one = weights_after(options, 1, 10);
    for (int ranks = 2; ranks <= 4; ++ranks) EXPECT_LE(difference(one, weights_after(options, ranks, 10)), 1e-9) << name << " on " << ranks << " ranks";
  }
}

TEST(Equality, OverlapChangesNoBit) {
  for (auto& [name, options] : cases()) {
    auto plain = options;
    plain.parallel.overlap = false;
    EXPECT_TRUE(at::equal(weights_after(options, 3, 5), weights_after(plain, 3, 5))) << name;
  }
}

// Buckets of a few parameters each, so that most of them start while backward still runs.
TEST(Equality, OverlapOfManyBucketsChangesNoBit) {
  for (const int64_t d_steps : {1, 3})
    for (const auto scope : {parallel::BatchNormScope::global, parallel::BatchNormScope::local}) {
      TrainerOptions options;
      options.precision = gan::Precision::float32;
      options.objective.d_steps = d_steps;
      options.parallel.batch_norm = scope;
      options.parallel.bucket_mib = 0.004;
      auto plain = options;
      plain.parallel.overlap = false;
      for (const int ranks : {3, 4})
        EXPECT_TRUE(at::equal(weights_after(options, ranks, 50), weights_after(plain, ranks, 50)))
            << ranks << " ranks, " << d_steps << " steps of D, batch norm " << (scope == parallel::BatchNormScope::global ? "global" : "local");
    }
}

// A bucket's sum begins as soon as its gradients are written: all buckets of every phase but those that end with the backward.
TEST(Equality, BucketsStartDuringBackward) {
  TrainerOptions options;
  options.parallel.bucket_mib = 0.004;
  for (const int64_t micro_batches : {1, 3}) {
    options.objective.accumulate = micro_batches;
    comm::run_thread_ranks(2, [&](comm::Communicator& communicator) {
      SmallTrainer trainer(options, communicator);
      const auto buckets = trainer.reducer->bucket_count(gan::Player::generator) + trainer.reducer->bucket_count(gan::Player::discriminator);
      EXPECT_GT(buckets, 6u);
      trainer.run(4);
      EXPECT_EQ(trainer.reducer->early_buckets(), static_cast<int64_t>(4 * buckets));
    });
  }
}

// Rounded gradients train alike on every rank, and the error that is reported is that of rounding to 8 bits.
TEST(Equality, GradientsMayTravelAsBfloat16) {
  TrainerOptions options;
  options.precision = gan::Precision::float32;
  const auto exact = weights_after(options, 2, 3);
  options.parallel.wire = parallel::Wire::bf16;
  const auto rounded = weights_after(options, 2, 3);
  EXPECT_FALSE(at::equal(exact, rounded));
  EXPECT_LT((exact - rounded).abs().max().item<double>(), 0.01);
  auto plain = options;
  plain.parallel.overlap = false;
  EXPECT_TRUE(at::equal(rounded, weights_after(plain, 2, 3)));
  comm::run_thread_ranks(2, [&](comm::Communicator& communicator) {
    SmallTrainer trainer(options, communicator);
    trainer.run(1);
    for (const auto player : {gan::Player::generator, gan::Player::discriminator}) {
      EXPECT_GT(trainer.reducer->wire_error(player), 1e-4);
      EXPECT_LT(trainer.reducer->wire_error(player), 1.0 / 256);  // half a unit in the last of 8 bits
    }
  });
}

TEST(Equality, SettlingOftenChangesNoBit) {
  for (auto& [name, options] : cases()) {
    std::vector<at::Tensor> weights(2);
    for (int often = 0; often < 2; ++often)
      comm::run_thread_ranks(2, [&](comm::Communicator& communicator) {
        SmallTrainer trainer(options, communicator);
        if (often)
          for (int i = 0; i < 6; ++i) trainer.run(1);
        else
          trainer.run(6);
        if (communicator.rank() == 0) weights[often] = trainer.weights();
      });
    EXPECT_TRUE(at::equal(weights[0], weights[1])) << name;
  }
}

// Without cross-sample layers accumulation changes nothing; with batch norm it is another function, the same for any R.
TEST(Equality, AccumulationIsExactWithoutBatchNorm) {
  TrainerOptions mlp, dcgan28;
  mlp.net = {nets::Kind::mlp, 8, 2};
  mlp.shape = {true, 0, 0, 0, 2};
  dcgan28.generator.norm = nets::Norm::none;
  for (auto options : {mlp, dcgan28}) {
    options.global_batch = 50;
    options.streams = 10;
    const auto whole = weights_after(options, 1, 5);
    for (const int64_t a : {2, 5}) {
      options.objective.accumulate = a;
      EXPECT_LE(difference(whole, weights_after(options, 1, 5)), 1e-12) << a;
    }
  }
  TrainerOptions normed;
  const auto once = weights_after(normed, 1, 3);
  normed.objective.accumulate = 2;
  EXPECT_GT(difference(once, weights_after(normed, 1, 3)), 1e-6);
}

// Counters and schedules know updates, not micro-batches.
TEST(Equality, StepsAndSamplesAreCounted) {
  TrainerOptions options;
  options.objective.d_steps = 3;
  options.optimizer.schedule = gan::OptimizerConfig::Schedule::exponential, options.optimizer.decay_steps = 2;
  for (const int64_t micro_batches : {1, 4}) {
    options.objective.accumulate = micro_batches;
    std::atomic<int64_t> reals{0};
    comm::run_thread_ranks(3, [&](comm::Communicator& communicator) {
      SmallTrainer trainer(options, communicator);
      trainer.run(2);
      EXPECT_EQ(trainer.adam_discriminator->steps_done(), 6);
      EXPECT_EQ(trainer.adam_generator->steps_done(), 2);
      EXPECT_EQ(trainer.adam_discriminator->last_learning_rate(), gan::learning_rate(options.optimizer, 5));
      EXPECT_EQ(trainer.adam_generator->last_learning_rate(), gan::learning_rate(options.optimizer, 1));
      reals += trainer.reals_drawn;
    });
    EXPECT_EQ(reals, 6 * options.global_batch) << micro_batches;
  }
}

// float32: one iteration of plain SGD; longer runs drift apart by rounding alone.
TEST(Equality, HoldsInFloat32ForOneStep) {
  TrainerOptions options;
  options.precision = gan::Precision::float32;
  options.optimizer.kind = gan::OptimizerConfig::Kind::sgd;
  options.optimizer.lr = 0.1;
  EXPECT_LE(difference(weights_after(options, 1, 1), weights_after(options, 3, 1)), 1e-4);
}

// bf16 autocast trains and stays near float32.
TEST(Precision, Bfloat16StaysNear) {
  TrainerOptions options;
  options.precision = gan::Precision::float32;
  const auto full = weights_after(options, 2, 3);
  options.precision = gan::Precision::bf16;
  const auto half = weights_after(options, 2, 3);
  EXPECT_TRUE(at::isfinite(half).all().item<bool>());
  EXPECT_FALSE(at::equal(full, half));
  EXPECT_LT((full - half).abs().max().item<double>(), 0.05);
}

}  // namespace
}  // namespace ganymede
