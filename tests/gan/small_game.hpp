// The whole alternating step on the smallest players, for closed forms: G(z) = θ + scale·z, D(x) = ⟨ψ, x⟩ or, of numbers, ψ₀x + ψ₁.
#pragma once
#include "comm/communicator.hpp"
#include "gan/alternating_step.hpp"
#include "gan/small_judge.hpp"
#include "parallel/flat_network.hpp"
#include "parallel/reducer.hpp"

namespace ganymede::test {

/// Latents moved by θ.
class Shift final : public nets::Layer {
 public:
  Shift(at::Tensor start, double scale) : weight(register_parameter("weight", start.to(at::kDouble).clone())), scale_(scale) {}
  at::Tensor forward(const at::Tensor& x, const nets::Pass&) override { return x * scale_ + weight; }
  std::string describe() const override { return "Shift"; }
  at::Tensor weight;

 private:
  double scale_;
};

/// D(x) = ψ₀x + ψ₁ of numbers.
class Line final : public nets::Layer {
 public:
  explicit Line(at::Tensor start) : weight(register_parameter("weight", start.to(at::kDouble).clone())) {}
  at::Tensor forward(const at::Tensor& x, const nets::Pass&) override { return x.flatten() * weight[0] + weight[1]; }
  std::string describe() const override { return "Line"; }
  at::Tensor weight;
};

struct SmallGameOptions {
  std::vector<double> theta{0}, psi{0};  // where the players start
  bool has_intercept = false;            // D is a line
  double scale = 0.0;
  gan::ObjectiveConfig objective;
  gan::RegularizersConfig regularizers;
  gan::TricksConfig tricks;
  gan::OptimizerConfig of_generator, of_discriminator;
  int64_t global_batch = 4;
  /// Reals of D's step s, for the places of this rank.
  std::function<at::Tensor(int64_t s, int64_t first_place, int64_t rows)> reals;
};

inline gan::OptimizerConfig sgd(double lr) {
  gan::OptimizerConfig config;
  config.kind = gan::OptimizerConfig::Kind::sgd, config.lr = lr;
  return config;
}

class SmallGame {
 public:
  SmallGame(const SmallGameOptions& options, comm::Communicator& communicator)
      : options_(options), communicator_(communicator), statistics_(communicator, 60, waits_), generator_(player("generator")),
        average_network_(player("generator")), discriminator_(std::make_shared<nets::Network>("discriminator")) {
    if (options.has_intercept)
      discriminator_->add<Line>(vector(options.psi));
    else
      discriminator_->add<Slope>(vector(options.psi));
    auto* statistics = communicator.size() > 1 ? &statistics_ : nullptr;
    flat_generator_ = std::make_unique<parallel::FlatNetwork>(generator_, true);
    flat_discriminator_ = std::make_unique<parallel::FlatNetwork>(discriminator_, true);
    flat_average_ = std::make_unique<parallel::FlatNetwork>(average_network_, false);
    average_ = std::make_unique<gan::Average>(gan::AverageConfig{}, average_network_, flat_average_->weights().parameters, generator_,
                                              flat_generator_->weights().parameters, 64);
    reducer_ = std::make_unique<parallel::Reducer>(communicator, parallel::ParallelConfig{}, *flat_generator_, *flat_discriminator_,
                                                   waits_);
    optimizer_generator_ = std::make_unique<gan::Optimizer>(options.of_generator, flat_generator_->weights());
    optimizer_discriminator_ = std::make_unique<gan::Optimizer>(options.of_discriminator, flat_discriminator_->weights());
    gan::GameSetup setup;
    setup.objective = options.objective, setup.regularizers = options.regularizers, setup.tricks = options.tricks;
    setup.latent.size = static_cast<int64_t>(options.theta.size()), setup.precision = gan::Precision::float64;
    setup.global_batch = options.global_batch, setup.world_size = communicator.size(), setup.statistics = statistics;
    step = std::make_unique<gan::AlternatingStep>(setup, generator_, discriminator_, *reducer_, *optimizer_generator_,
                                                  *optimizer_discriminator_, *average_, rng_);
  }

  /// One iteration, settled.
  void run() {
    step->run({[this] { return next_real(); }, [this] { return next_real(); }}, 60);
    step->settle(60);
  }
  at::Tensor theta() const { return generator_->parameters()[0].detach(); }
  at::Tensor psi() const { return discriminator_->parameters()[0].detach(); }
  comm::Communicator& communicator() { return communicator_; }
  double radius() const { return std::sqrt((theta().square().sum() + psi().square().sum()).item<double>()); }

  std::unique_ptr<gan::AlternatingStep> step;

 private:
  std::shared_ptr<nets::Network> player(const char* name) const {
    auto network = std::make_shared<nets::Network>(name);
    network->add<Shift>(vector(options_.theta), options_.scale);
    return network;
  }
  // Each place is a stream of its own.
  gan::RealBatch next_real() {
    gan::RealBatch batch;
    batch.share = gan::share_of_rank(communicator_.rank(), communicator_.size(), options_.global_batch, options_.objective.accumulate,
                                     [](int64_t) { return 1; });
    batch.samples = options_.reals(drawn_++, batch.share.first_place, batch.share.rows);
    return batch;
  }

  SmallGameOptions options_;
  comm::Communicator& communicator_;
  Rng rng_{31};
  parallel::WaitTimes waits_;
  parallel::GlobalStatistics statistics_;
  std::shared_ptr<nets::Network> generator_, average_network_, discriminator_;
  std::unique_ptr<parallel::FlatNetwork> flat_generator_, flat_discriminator_, flat_average_;
  std::unique_ptr<gan::Average> average_;
  std::unique_ptr<parallel::Reducer> reducer_;
  std::unique_ptr<gan::Optimizer> optimizer_generator_, optimizer_discriminator_;
  int64_t drawn_ = 0;
};

}  // namespace ganymede::test
