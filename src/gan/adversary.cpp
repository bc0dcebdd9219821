#include "gan/adversary.hpp"

#include <ATen/ops/mul.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/sum.h>

#include "gan/targets.hpp"
#include "nets/collectives.hpp"

namespace ganymede::gan {
namespace {

int64_t count(const at::Tensor& yes) { return yes.sum().item<int64_t>(); }
double scale_of(LossScale scale) { return scale == LossScale::half ? 0.5 : 1.0; }

// Each half has its own loss.
class Separable : public Adversary {
 public:
  Separable(Loss loss, LossScale scale) : loss_(loss), scale_(scale) {}
  at::Tensor on_real(const Judged& real, const Judge& judge) override { return discriminator_real_loss(real.outputs, loss_, scale_, judge.decisions()); }
  at::Tensor on_fake(const Judged& fake, const Judge& judge) override { return discriminator_fake_loss(fake.outputs, loss_, scale_, judge.decisions()); }
  at::Tensor value(const Judged& fake, const Judged&, const Judge& judge) override { return generator_loss(fake.outputs, loss_, judge.decisions()); }
  Hits hits(const at::Tensor& real, const at::Tensor& fake) override {
    const double threshold = loss_ == Loss::least_squares ? 0.5 : 0.0;
    return {count(real > threshold), count(fake < threshold)};
  }

 protected:
  Loss loss_;
  LossScale scale_;
};

class SoftTargets final : public Separable {
 public:
  SoftTargets(Loss loss, LossScale scale, const TargetsConfig& config) : Separable(loss, scale), config_(config) {}
  at::Tensor on_real(const Judged& real, const Judge& judge) override {
    return cross_entropy(real.outputs, real_targets(config_, real, judge), judge) * scale_of(scale_);
  }
  at::Tensor on_fake(const Judged& fake, const Judge& judge) override {
    return cross_entropy(fake.outputs, fake_targets(config_, fake, judge), judge) * scale_of(scale_);
  }

 private:
  static at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& targets, const Judge& judge) {
    return at::sum(gan::softplus(logits) - targets * logits) * (1.0 / judge.decisions());
  }
  TargetsConfig config_;
};

class Relativistic final : public Adversary {
 public:
  explicit Relativistic(LossScale scale) : scale_(scale) {}
  Together together() const override { return Together::graph; }
  Reals reals() const override { return Reals::fresh; }
  at::Tensor on_both(const Judged& real, const Judged& fake, const Judge& judge) override {
    const auto over_fake = relative(real, fake, judge), over_real = relative(fake, real, judge);
    hits_.real += count(over_fake.detach() > 0), hits_.fake += count(over_real.detach() < 0);
    return half_sum(gan::softplus(at::neg(over_fake)), gan::softplus(over_real), judge) * scale_of(scale_);
  }
  at::Tensor value(const Judged& fake, const Judged& real, const Judge& judge) override {
    return half_sum(gan::softplus(relative(real, fake, judge)), gan::softplus(at::neg(relative(fake, real, judge))), judge);
  }
  // Right is what is right beside the other half's mean.
  Hits hits(const at::Tensor&, const at::Tensor&) override { return std::exchange(hits_, {}); }

 private:
  // a less the mean of b over all ranks.
  static at::Tensor relative(const Judged& a, const Judged& b, const Judge& judge) {
    return a.outputs - nets::gsum(at::sum(b.outputs), judge.statistics(), "mean output") * (1.0 / static_cast<double>(nets::global_rows(b.range)));
  }
  static at::Tensor half_sum(const at::Tensor& a, const at::Tensor& b, const Judge& judge) { return (at::sum(a) + at::sum(b)) * (0.5 / judge.decisions()); }
  LossScale scale_;
  Hits hits_;  // of the micro-batches of this D phase so far
};

class Pairs final : public Adversary {
 public:
  explicit Pairs(LossScale scale) : scale_(scale) {}
  Together together() const override { return Together::graph; }
  Reals reals() const override { return Reals::fresh; }
  at::Tensor on_both(const Judged& pair, const Judged&, const Judge& judge) override {
    return at::sum(gan::softplus(pair.outputs) - pair.slots * pair.outputs) * (scale_of(scale_) / judge.decisions());
  }
  at::Tensor value(const Judged& pair, const Judged&, const Judge& judge) override {
    return at::sum(gan::softplus(pair.outputs) - (1.0 - pair.slots) * pair.outputs) * (1.0 / judge.decisions());
  }
  // Given as (2t−1)ℓ and its negative: above 0 where the right slot was named.
  Hits hits(const at::Tensor& real, const at::Tensor& fake) override { return {count(real > 0), count(fake < 0)}; }

 private:
  LossScale scale_;
};

}  // namespace

std::unique_ptr<Adversary> make_adversary(Loss loss, LossScale scale, const TargetsConfig& targets) {
  if (loss == Loss::relativistic) return std::make_unique<Relativistic>(scale);
  if (targets.are_soft()) return std::make_unique<SoftTargets>(loss, scale, targets);
  return std::make_unique<Separable>(loss, scale);
}

std::unique_ptr<Adversary> make_pair_adversary(LossScale scale) { return std::make_unique<Pairs>(scale); }

}  // namespace ganymede::gan
