// A whole training step on reals made by counter, without files: for tests that compare numbers of ranks and orders of waits.
#pragma once
#include <ATen/ATen.h>

#include "comm/communicator.hpp"
#include "gan/alternating_step.hpp"
#include "parallel/flat_network.hpp"
#include "parallel/reducer.hpp"

namespace ganymede::test {

struct TrainerOptions {
  nets::NetworkConfig net{nets::Kind::dcgan, 4, 2};
  nets::SampleShape shape{false, 28, 28, 1, 0};
  nets::LatentConfig latent{8, nets::Prior::normal};
  gan::ObjectiveConfig objective;
  gan::TricksConfig tricks;
  gan::OptimizerConfig optimizer;
  parallel::ParallelConfig parallel;
  gan::Precision precision = gan::Precision::float64;
  int64_t global_batch = 12, streams = 4;
};

class SmallTrainer {
 public:
  SmallTrainer(const TrainerOptions& options, comm::Communicator& communicator)
      : options_(options), communicator_(communicator), rng_(9), statistics_(communicator, 60, waits_) {
    generator = typed(nets::make_generator(options.net, options.latent, options.shape));
    discriminator = typed(nets::make_discriminator(options.net, options.shape));
    auto average_network = typed(nets::make_generator(options.net, options.latent, options.shape));
    generator->initialize(rng_, 0), discriminator->initialize(rng_, 1);
    flat_generator = std::make_unique<parallel::FlatNetwork>(generator, true);
    flat_discriminator = std::make_unique<parallel::FlatNetwork>(discriminator, true);
    flat_average = std::make_unique<parallel::FlatNetwork>(average_network, false);
    average = std::make_unique<gan::Average>(gan::AverageConfig{}, average_network, flat_average->weights().parameters, generator, flat_generator->weights().parameters);
    average->reset();
    if (communicator.size() > 1) generator->share_statistics(&statistics_), discriminator->share_statistics(&statistics_);
    reducer = std::make_unique<parallel::Reducer>(communicator, options.parallel, *flat_generator, *flat_discriminator, waits_);
    adam_generator = std::make_unique<gan::Optimizer>(options.optimizer, flat_generator->weights());
    adam_discriminator = std::make_unique<gan::Optimizer>(options.optimizer, flat_discriminator->weights());
    const gan::StepSetup setup{options.objective, options.tricks, options.latent, options.precision, options.global_batch};
    step = std::make_unique<gan::AlternatingStep>(setup, generator, discriminator, *reducer, *adam_generator, *adam_discriminator, *average, rng_);
  }

  void run(int iterations) {
    for (int i = 0; i < iterations; ++i) step->run([this] { return next_real(); }, 60);
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
    const int64_t n = options_.global_batch, v_count = options_.streams, a = options_.objective.accumulate;
    const int64_t r = communicator_.rank(), ranks = communicator_.size();
    const auto given = [&](int64_t v, int64_t x) { return (x + v) / v_count; };
    gan::RealBatch batch;
    if (a > 1) batch.micro_rows.resize(a);
    int64_t place = 0, rows = 0;
    for (int64_t v = 0; v < v_count * (r + 1) / ranks; ++v) {
      const int64_t share = given(v, drawn_ + n) - given(v, drawn_);
      if (v < v_count * r / ranks) {
        place += share;
        continue;
      }
      for (int64_t i = 0; i < share; ++i, ++rows)
        if (a > 1) batch.micro_rows[(v + i) % a].push_back(rows);
    }
    batch.first_place = place;
    const auto& s = options_.shape;
    const int64_t elements = s.is_points ? s.features : s.height * s.width * s.channels;
    const auto values = rng_.normal(Draw{Purpose::data, drawn_ / n}, place, rows, elements).to(gan::scalar_type(options_.precision));
    batch.samples = s.is_points ? values : values.view({rows, s.height, s.width, s.channels}).permute({0, 3, 1, 2}).tanh();
    batch.real_index = at::arange(rows);
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
