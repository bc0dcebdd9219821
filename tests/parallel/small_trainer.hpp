// A whole training step on reals made by counter, without files: for tests that compare numbers of ranks and orders of waits.
#pragma once
#include <ATen/ATen.h>

#include "comm/communicator.hpp"
#include "gan/alternating_step.hpp"
#include "gan/reference_batch.hpp"
#include "parallel/flat_network.hpp"
#include "parallel/reducer.hpp"

namespace ganymede::test {

struct TrainerOptions {
  nets::NetworkConfig net{nets::Kind::dcgan, 4, 2};  // kind and size of both
  nets::GeneratorConfig generator;
  nets::DiscriminatorConfig discriminator;
  nets::SampleShape shape{false, 28, 28, 1, 0};
  nets::LatentConfig latent{8, nets::Prior::normal};
  nets::ConditionalConfig conditional;
  gan::ObjectiveConfig objective;
  gan::RegularizersConfig regularizers;
  gan::TricksConfig tricks;
  gan::AugmentConfig augment;
  gan::BalanceConfig balance;
  int64_t classes = 3;  // of the reals, where the game has classes
  gan::OptimizerConfig optimizer;
  parallel::ParallelConfig parallel;
  gan::Precision precision = gan::Precision::float64;
  int64_t global_batch = 12, streams = 4;
};

class SmallTrainer {
 public:
  SmallTrainer(const TrainerOptions& options, comm::Communicator& communicator)
      : options_(options), communicator_(communicator), rng_(9), statistics_(communicator, 60, waits_) {
    auto generator_config = options.generator;
    auto discriminator_config = options.discriminator;
    static_cast<nets::NetworkConfig&>(generator_config) = options.net, static_cast<nets::NetworkConfig&>(discriminator_config) = options.net;
    const bool has_classes = options.conditional.kind != nets::ConditionalKind::none;
    const nets::Conditioning conditioning{options.conditional.kind, has_classes ? options.classes : 0};
    const int64_t joined = gan::joined_samples(options.objective);
    generator = typed(nets::make_generator(generator_config, options.latent, options.shape, conditioning));
    discriminator = typed(nets::make_discriminator(discriminator_config, options.shape, conditioning, joined));
    auto average_network = typed(nets::make_generator(generator_config, options.latent, options.shape, conditioning));
    gan::reserve_references(*generator, *discriminator, *average_network, options.latent, conditioning, joined, options.shape, options.global_batch);
    discriminator->freeze(options.tricks.freeze_d);
    generator->initialize(rng_, 0), discriminator->initialize(rng_, 1);
    flat_generator = std::make_unique<parallel::FlatNetwork>(generator, true);
    flat_discriminator = std::make_unique<parallel::FlatNetwork>(discriminator, true);
    flat_average = std::make_unique<parallel::FlatNetwork>(average_network, false);
    average = std::make_unique<gan::Average>(gan::AverageConfig{}, average_network, flat_average->weights().parameters, generator,
                                             flat_generator->weights().parameters, options.global_batch);
    average->reset();
    const bool is_global = options.parallel.batch_norm == parallel::BatchNormScope::global;
    if (communicator.size() > 1) generator->share_statistics(&statistics_, is_global), discriminator->share_statistics(&statistics_, is_global);
    reducer = std::make_unique<parallel::Reducer>(communicator, options.parallel, *flat_generator, *flat_discriminator, waits_);
    adam_generator = std::make_unique<gan::Optimizer>(options.optimizer, flat_generator->weights());
    adam_discriminator = std::make_unique<gan::Optimizer>(options.optimizer, flat_discriminator->weights());
    std::vector<int64_t> counts;
    if (has_classes)
      for (int64_t k = 0; k < options.classes; ++k) counts.push_back(10 + k);
    const gan::GameSetup setup{options.objective, options.regularizers, options.tricks, options.conditional, options.balance, options.augment, options.latent, options.precision,
                               options.global_batch, counts, communicator.size(), communicator.size() > 1 ? &statistics_ : nullptr};
    step = std::make_unique<gan::AlternatingStep>(setup, generator, discriminator, *reducer, *adam_generator, *adam_discriminator, *average, rng_);
  }

  void run(int iterations) {
    for (int i = 0; i < iterations; ++i) step->run({[this] { return next_real(); }, [this] { return next_real(); }}, 60);
    step->settle(60);
  }

  /// Parameters and buffers of all three networks, in one vector.
  at::Tensor weights() const {
    std::vector<at::Tensor> all;
    for (const auto* net : {generator.get(), discriminator.get(), average->network().get()}) {
      for (const auto& p : net->parameters()) all.push_back(p.detach().flatten().to(at::kDouble));
      for (const auto& b : net->buffers()) all.push_back(b.flatten().to(at::kDouble));
    }
    return at::cat(all);
  }

  std::shared_ptr<nets::Network> generator, discriminator;
  std::unique_ptr<parallel::FlatNetwork> flat_generator, flat_discriminator, flat_average;
  std::unique_ptr<gan::Average> average;
  std::unique_ptr<parallel::Reducer> reducer;
  std::unique_ptr<gan::Optimizer> adam_generator, adam_discriminator;
  std::unique_ptr<gan::AlternatingStep> step;
  int64_t reals_drawn = 0;  // of this rank

 private:
  std::shared_ptr<nets::Network> typed(std::shared_ptr<nets::Network> network) const {
    network->to(gan::scalar_type(options_.precision));
    return network;
  }

  // Streams share the batch as the data folder deals it: floor((X+v)/V) given after X samples.
  gan::RealBatch next_real() {
    const int64_t n = options_.global_batch, v_count = options_.streams;
    const auto given = [&](int64_t v, int64_t x) { return (x + v) / v_count; };
    gan::RealBatch batch;
    batch.share = gan::share_of_rank(communicator_.rank(), communicator_.size(), v_count, options_.objective.accumulate,
                                     [&](int64_t v) { return given(v, drawn_ + n) - given(v, drawn_); });
    const int64_t place = batch.share.first_place, rows = batch.share.rows;
    const auto& s = options_.shape;
    const int64_t elements = s.is_points ? s.features : s.height * s.width * s.channels;
    const auto values = rng_.normal(Draw{Purpose::data, drawn_ / n}, place, rows, elements).to(gan::scalar_type(options_.precision));
    batch.samples = s.is_points ? values : values.view({rows, s.height, s.width, s.channels}).permute({0, 3, 1, 2}).tanh();
    batch.real_index = at::arange(rows);
    batch.labels = (at::arange(place, place + rows) * 7 + drawn_) % options_.classes;
    drawn_ += n;
    reals_drawn += rows;
    return batch;
  }

  TrainerOptions options_;
  comm::Communicator& communicator_;
  Rng rng_;
  parallel::WaitTimes waits_;
  parallel::GlobalStatistics statistics_;
  int64_t drawn_ = 0;
};

}  // namespace ganymede::test
