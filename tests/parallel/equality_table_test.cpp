// P1 for every loss with every way to hold D's slope, and for every trick alone, on an MLP and on DCGAN-28: 20 steps in float64 on 1 to
// 4 ranks with uneven shares give the same weights within 1e-9 and the same losses within 1e-10. The table that is printed lists them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <set>

#include "comm/thread_ranks.hpp"
#include "parallel/small_trainer.hpp"

namespace ganymede {
namespace {

using test::SmallTrainer;
using test::TrainerOptions;
using Change = std::function<void(TrainerOptions&)>;

constexpr int iterations = 20, most_ranks = 4;

struct Outcome {
  at::Tensor weights;
  std::vector<double> losses;  // of the last iteration, over all ranks
};

Outcome run_on(const TrainerOptions& options, int ranks) {
  std::vector<Outcome> outcomes(static_cast<size_t>(ranks));
  comm::run_thread_ranks(ranks, [&](comm::Communicator& communicator) {
    SmallTrainer trainer(options, communicator);
    trainer.run(iterations);
    const auto totals = trainer.step->totals();
    std::vector<double> own{totals.loss_d, totals.loss_g, totals.d_real, totals.d_fake};
    for (const auto& term : totals.terms) own.push_back(term.second);
    auto sum = at::tensor(own, at::kDouble);
    communicator.all_reduce_sum(sum, "losses", Deadline::in(std::chrono::seconds(60)));
    auto& mine = outcomes[static_cast<size_t>(communicator.rank())];
    mine.weights = trainer.weights();
    mine.losses.assign(sum.data_ptr<double>(), sum.data_ptr<double>() + sum.numel());
    mine.losses.insert(mine.losses.end(), {totals.grad_norm_d, totals.grad_norm_g});
    for (const auto& figure : totals.figures) mine.losses.push_back(figure.second);
  });
  for (int r = 1; r < ranks; ++r) EXPECT_TRUE(at::equal(outcomes[r].weights, outcomes[0].weights)) << "replica " << r << " drifted";
  return outcomes[0];
}

double weights_difference(const at::Tensor& a, const at::Tensor& b) { return ((a - b).abs() / (a.abs() + 1e-3)).max().item<double>(); }

double losses_difference(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double worst = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) worst = std::max(worst, std::abs(a[i] - b[i]) / (std::abs(a[i]) + 1.0));
  return worst;
}

TrainerOptions mlp() {
  TrainerOptions o;
  o.net = {nets::Kind::mlp, 8, 2};
  o.shape = {true, 0, 0, 0, 2};
  o.global_batch = 50, o.streams = 7;
  return o;
}

TrainerOptions dcgan28() {
  TrainerOptions o;
  o.net.width = 2;
  o.global_batch = 50, o.streams = 7;
  return o;
}

std::vector<std::pair<std::string, Change>> losses_with_holds() {
  using gan::Loss;
  std::vector<std::pair<std::string, Change>> all;
  for (const auto& [name, loss] : {std::pair("non_saturating", Loss::non_saturating), std::pair("minimax", Loss::minimax), std::pair("wasserstein", Loss::wasserstein),
                                   std::pair("hinge", Loss::hinge), std::pair("least_squares", Loss::least_squares), std::pair("relativistic", Loss::relativistic)}) {
    // The relativistic loss does not see a shift of D's outputs: the gradient of the last bias is rounding alone, which Adam divides
    // by its own size unless eps is larger.
    const auto set = [loss = loss](TrainerOptions& o) {
      o.objective.loss = loss;
      if (loss == Loss::relativistic) o.optimizer.eps = 1e-5;
    };
    all.emplace_back(fmt::format("{} + none", name), set);
    all.emplace_back(fmt::format("{} + gradient penalty", name), [set](TrainerOptions& o) { set(o), o.regularizers.gradient_penalty.weight = 10; });
    all.emplace_back(fmt::format("{} + R1", name), [set](TrainerOptions& o) { set(o), o.regularizers.r1.weight = 2; });
    all.emplace_back(fmt::format("{} + spectral norm", name), [set](TrainerOptions& o) { set(o), o.discriminator.spectral_norm = true; });
  }
  return all;
}

std::vector<std::pair<std::string, Change>> tricks() {
  using gan::FeatureMatchingConfig;
  using Smoothing = gan::TargetsConfig::Smoothing;
  using DBatch = gan::ObjectiveConfig::DBatch;
  using Order = gan::ObjectiveConfig::Order;
  using nets::ConditionalKind;
  const auto features = [](FeatureMatchingConfig::Kind kind) {
    return [kind](TrainerOptions& o) { o.tricks.feature_matching.weight = 0.1, o.tricks.feature_matching.kind = kind; };
  };
  return {
      {"one-sided penalty, lazy", [](TrainerOptions& o) {
         auto& p = o.regularizers.gradient_penalty;
         p.weight = 1, p.sides = gan::GradientPenaltyConfig::Sides::one, p.target = 0.1, p.every_steps = 2;
       }},
      {"lazy R1", [](TrainerOptions& o) { o.regularizers.r1 = {1.0, 3}; }},
      {"DRAGAN", [](TrainerOptions& o) { o.regularizers.dragan.weight = 2; }},
      {"drift", [](TrainerOptions& o) { o.regularizers.drift.weight = 0.1, o.objective.loss = gan::Loss::wasserstein; }},
      {"weight clip, RMSprop", [](TrainerOptions& o) {
         o.regularizers.weight_clip.bound = 0.02, o.objective.loss = gan::Loss::wasserstein, o.optimizer.kind = gan::OptimizerConfig::Kind::rmsprop;
       }},
      {"historical averaging", [](TrainerOptions& o) { o.regularizers.historical_averaging.weight = 0.1; }},
      {"historical averaging, window", [](TrainerOptions& o) { o.regularizers.historical_averaging = {0.1, 0.5, gan::HistoricalAverageConfig::Which::d}; }},
      {"one-sided label smoothing", [](TrainerOptions& o) { o.tricks.targets.smoothing = Smoothing::one_sided; }},
      {"two-sided label smoothing", [](TrainerOptions& o) { o.tricks.targets.smoothing = Smoothing::two_sided; }},
      {"noisy labels", [](TrainerOptions& o) { o.tricks.targets.smoothing = Smoothing::noisy, o.tricks.targets.noisy_fake_high = 0.2; }},
      {"label flips", [](TrainerOptions& o) { o.tricks.targets.flip = 0.2; }},
      {"instance noise", [](TrainerOptions& o) { o.tricks.instance_noise = {0.1, 0}; }},
      {"instance noise, annealed", [](TrainerOptions& o) { o.tricks.instance_noise = {0.1, 10}; }},
      {"D gradient clip by norm", [](TrainerOptions& o) { o.tricks.gradient_clip.norm = 0.05; }},
      {"D gradient clip by value", [](TrainerOptions& o) { o.tricks.gradient_clip.value = 0.01; }},
      {"feature matching, elementwise", features(FeatureMatchingConfig::Kind::elementwise)},
      {"feature matching, l1", features(FeatureMatchingConfig::Kind::l1)},
      {"feature matching, l2", features(FeatureMatchingConfig::Kind::l2)},
      {"feature matching, l2 sum, fresh reals", [](TrainerOptions& o) {
         auto& f = o.tricks.feature_matching;
         f.weight = 0.1, f.kind = FeatureMatchingConfig::Kind::l2_sum, f.reals = FeatureMatchingConfig::Reals::fresh;
       }},
      {"frozen layers of D", [](TrainerOptions& o) { o.tricks.freeze_d = 1; }},
      {"reused fakes", [](TrainerOptions& o) { o.tricks.reuse_fakes = true, o.objective.g_steps = 2; }},
      {"dropout in D", [](TrainerOptions& o) { o.discriminator.dropout = 0.3; }},
      {"minibatch discrimination, plain", [](TrainerOptions& o) { o.discriminator.minibatch_discrimination = 4, o.discriminator.minibatch_discrimination_plain = true; }},
      {"minibatch discrimination", [](TrainerOptions& o) { o.discriminator.minibatch_discrimination = 4, o.discriminator.minibatch_discrimination_size = 3; }},
      {"minibatch standard deviation, groups", [](TrainerOptions& o) { o.discriminator.minibatch_stddev = 4, o.global_batch = 52; }},
      {"minibatch standard deviation, groups, N = 48", [](TrainerOptions& o) {
         o.discriminator.minibatch_stddev = 4, o.global_batch = 48;  // in 7 streams: 3 ranks have 13, 14 and 21, so groups straddle
       }},
      {"minibatch standard deviation, whole batch", [](TrainerOptions& o) { o.discriminator.minibatch_stddev = 1; }},
      {"packing 2", [](TrainerOptions& o) { o.objective.pack = 2; }},
      {"packing 2, slots", [](TrainerOptions& o) { o.objective.pack = 2, o.objective.pack_slots = true; }},
      {"packing 3, groups", [](TrainerOptions& o) { o.objective.pack = 3, o.discriminator.minibatch_stddev = 4, o.global_batch = 60; }},
      {"fewer packs than ranks, penalties", [](TrainerOptions& o) {
         o.objective.pack = 12, o.global_batch = 24, o.regularizers.r1.weight = 1, o.regularizers.gradient_penalty.weight = 1, o.regularizers.dragan.weight = 1;
       }},
      {"micro-batches without a row of some rank, R1", [](TrainerOptions& o) { o.objective.accumulate = 5, o.global_batch = 8, o.streams = 8, o.regularizers.r1.weight = 1; }},
      {"paired discriminator", [](TrainerOptions& o) { o.objective.d_batch = DBatch::paired; }},
      {"joint pass", [](TrainerOptions& o) { o.objective.d_batch = DBatch::joint; }},
      {"virtual batch norm", [](TrainerOptions& o) { o.generator.norm = o.discriminator.norm = nets::Norm::virtual_batch; }},
      {"batch norm in D", [](TrainerOptions& o) { o.discriminator.norm = nets::Norm::batch; }},
      {"pixelwise norm", [](TrainerOptions& o) {
         o.generator.norm = nets::Norm::pixel, o.generator.activation = nets::Activation::leaky_relu;  // behind ReLU a dead pixel's slope is 1e4
       }},
      {"equalized learning rate", [](TrainerOptions& o) { o.generator.equalized_lr = o.discriminator.equalized_lr = true; }},
      {"LeakyReLU throughout", [](TrainerOptions& o) { o.generator.activation = nets::Activation::leaky_relu; }},
      {"ELU", [](TrainerOptions& o) { o.generator.activation = o.discriminator.activation = nets::Activation::elu; }},
      {"2 D steps", [](TrainerOptions& o) { o.objective.d_steps = 2; }},
      {"2 G steps", [](TrainerOptions& o) { o.objective.g_steps = 2; }},
      {"g_first", [](TrainerOptions& o) { o.objective.order = Order::g_first; }},
      {"simultaneous", [](TrainerOptions& o) { o.objective.order = Order::simultaneous; }},
      {"balance by rate", [](TrainerOptions& o) { o.balance.mode = gan::BalanceConfig::Mode::rate, o.balance.every_steps = 1, o.balance.gain = 0.5; }},
      {"balance by steps", [](TrainerOptions& o) {
         o.balance.mode = gan::BalanceConfig::Mode::steps, o.balance.every_steps = 1, o.balance.low = 0.1, o.balance.high = 0.2;
       }},
      {"accumulate 2", [](TrainerOptions& o) { o.objective.accumulate = 2; }},
      {"accumulate 2, relativistic, feature matching", [](TrainerOptions& o) {
         o.objective.accumulate = 2, o.objective.loss = gan::Loss::relativistic, o.optimizer.eps = 1e-5, o.tricks.feature_matching.weight = 0.1;
       }},
      {"SGD, linear rate, warm-up", [](TrainerOptions& o) {
         auto& a = o.optimizer;
         a.kind = gan::OptimizerConfig::Kind::sgd, a.schedule = gan::OptimizerConfig::Schedule::linear, a.schedule_steps = 30, a.warmup_steps = 5;
       }},
      {"rate by G's steps", [](TrainerOptions& o) {
         auto& a = o.optimizer;
         a.schedule = gan::OptimizerConfig::Schedule::exponential, a.decay_steps = 10, a.lr_counter = gan::OptimizerConfig::Counter::g_steps;
       }},
      {"classes, planes", [](TrainerOptions& o) { o.conditional.kind = ConditionalKind::planes, o.conditional.fake_labels = nets::FakeLabels::uniform; }},
      {"classes, projection", [](TrainerOptions& o) { o.conditional.kind = ConditionalKind::projection; }},
      {"classes, classifier", [](TrainerOptions& o) { o.conditional.kind = ConditionalKind::classifier, o.conditional.generator_labels = nets::FakeLabels::empirical; }},
      {"classes, planes, paired", [](TrainerOptions& o) { o.conditional.kind = ConditionalKind::planes, o.objective.d_batch = DBatch::paired; }},
  };
}

std::vector<std::pair<std::string, Change>> tricks_of_pictures() {
  return {
      {"nearest upsampling", [](TrainerOptions& o) { o.generator.upsample = nets::Upsampling::nearest; }},
      {"bilinear upsampling", [](TrainerOptions& o) { o.generator.upsample = nets::Upsampling::bilinear; }},
      {"average pooling", [](TrainerOptions& o) { o.discriminator.down = nets::Down::average, o.discriminator.head = nets::Head::average; }},
      {"max pooling", [](TrainerOptions& o) { o.discriminator.down = nets::Down::largest, o.discriminator.head = nets::Head::sum; }},
      {"dropout of channels", [](TrainerOptions& o) { o.discriminator.dropout = 0.3, o.discriminator.dropout_channel = true; }},
      {"conditional batch norm", [](TrainerOptions& o) {
         o.conditional.kind = nets::ConditionalKind::projection, o.generator.norm = nets::Norm::conditional;
       }},
      {"DiffAugment", [](TrainerOptions& o) { o.augment.policy = "color,translation,cutout"; }},
      {"ADA", [](TrainerOptions& o) { o.augment.ada.on = true, o.augment.ada.kimg = 0.5, o.augment.ada.target = -0.9; }},
  };
}

std::vector<std::pair<std::string, Change>> tricks_of_points() {
  const auto pacgan = [](TrainerOptions& o) {
    o.net.start = nets::NetworkConfig::Start::normal, o.net.bias_before_norm = false, o.net.norm_momentum = 0.05, o.net.depth = 3;
    o.generator.norm = nets::Norm::batch, o.generator.activation = nets::Activation::relu, o.discriminator.activation = nets::Activation::maxout;
  };
  return {
      {"maxout", [](TrainerOptions& o) { o.discriminator.activation = nets::Activation::maxout; }},
      {"maxout, gradient penalty", [](TrainerOptions& o) {
         o.discriminator.activation = nets::Activation::maxout, o.discriminator.maxout_pieces = 3, o.regularizers.gradient_penalty.weight = 1;
       }},
      {"PacGAN's networks, slots, one draw for both", [pacgan](TrainerOptions& o) {
         pacgan(o);
         o.objective.pack = 2, o.objective.pack_slots = true, o.objective.order = gan::ObjectiveConfig::Order::simultaneous, o.tricks.reuse_fakes = true;
       }},
  };
}

std::vector<std::pair<std::string, Change>> published_networks() {
  const auto kind = [](TrainerOptions& o, nets::Kind kind) { o.net.kind = kind, o.net.width = 2, o.shape = {false, 28, 28, 3, 0}; };
  return {
      {"5x5 kernels", [kind](TrainerOptions& o) { kind(o, nets::Kind::dcgan5x5); }},
      {"crippled", [kind](TrainerOptions& o) { kind(o, nets::Kind::crippled); }},
      {"crippled, packing 2, slots, one draw for both", [kind](TrainerOptions& o) {
         kind(o, nets::Kind::crippled);
         o.objective.pack = 2, o.objective.pack_slots = true, o.tricks.reuse_fakes = true;
       }},
  };
}

// Prints the row and holds it to the two tolerances.
void expect_equal_on_all_ranks(const std::string& name, const char* network, const TrainerOptions& options) {
  const auto one = run_on(options, 1);
  EXPECT_TRUE(at::isfinite(one.weights).all().item<bool>()) << name;
  std::string row;
  for (int ranks = 2; ranks <= most_ranks; ++ranks) {
    const auto many = run_on(options, ranks);
    const double weights = weights_difference(one.weights, many.weights), losses = losses_difference(one.losses, many.losses);
    EXPECT_LE(weights, 1e-9) << name << ", " << network << ", " << ranks << " ranks";
    EXPECT_LE(losses, 1e-10) << name << ", " << network << ", " << ranks << " ranks";
    row += fmt::format("  {:8.1e} {:8.1e}", weights, losses);
  }
  std::printf("%-46s %-8s N=%lld%s\n", name.c_str(), network, static_cast<long long>(options.global_batch), row.c_str());
  std::fflush(stdout);
}

void run_table(const std::vector<std::pair<std::string, Change>>& cases, const std::vector<std::pair<const char*, TrainerOptions>>& networks) {
  std::printf("%-46s %-8s N     2 ranks: weights, losses  3 ranks              4 ranks\n", "what", "network");
  std::set<std::string> names;
  for (const auto& [name, change] : cases) {
    EXPECT_TRUE(names.insert(name).second) << name << " twice";
    for (const auto& [network, base] : networks) {
      auto options = base;
      change(options);
      expect_equal_on_all_ranks(name, network, options);
    }
  }
  std::printf("%zu rows, none left out\n", cases.size() * networks.size());
}

TEST(EqualityTable, EveryLossWithEveryHold) {
  const auto cases = losses_with_holds();
  ASSERT_EQ(cases.size(), 24u);
  run_table(cases, {{"mlp", mlp()}, {"dcgan28", dcgan28()}});
}

TEST(EqualityTable, EveryTrickAlone) { run_table(tricks(), {{"mlp", mlp()}, {"dcgan28", dcgan28()}}); }

TEST(EqualityTable, EveryTrickOfPoints) { run_table(tricks_of_points(), {{"mlp", mlp()}}); }

TEST(EqualityTable, PublishedNetworks) { run_table(published_networks(), {{"28x28x3", dcgan28()}}); }

TEST(EqualityTable, EveryTrickOfPictures) { run_table(tricks_of_pictures(), {{"dcgan28", dcgan28()}}); }

}  // namespace
}  // namespace ganymede
