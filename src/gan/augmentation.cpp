#include "gan/augmentation.hpp"

#include "core/error.hpp"

namespace ganymede::gan {
namespace {

AugmentPass pass_of(nets::Source source) {
  switch (source) {
    case nets::Source::d_real: return AugmentPass::reals;
    case nets::Source::d_fake: return AugmentPass::d_fakes;
    case nets::Source::g_fake: return AugmentPass::g_fakes;
    case nets::Source::g_real: return AugmentPass::g_reals;
    default: throw Error(Fault::bug, "augmentation of a pass that is neither of reals nor of fakes");
  }
}

// p is shared: the controller moves it, the filter reads it.
class AugmentFilter final : public Filter {
 public:
  AugmentFilter(const AugmentConfig& config, std::shared_ptr<const AdaController> ada)
      : policy_(parse_policy(config.policy)), multipliers_(config.ada.multipliers), ada_(std::move(ada)) {}
  void apply(Showing& showing, const Judge& judge) override {
    const auto& range = showing.range;
    const auto draw = augment_uniforms(judge.rng(), pass_of(range.source), showing.step, range.first_place, range.rank_rows, range.chosen);
    showing.samples = augment(showing.samples, policy_, ada_ ? ada_->p() : 0.0, multipliers_, draw);
  }

 private:
  AugmentPolicy policy_;
  AdaMultipliers multipliers_;
  std::shared_ptr<const AdaController> ada_;
};

class AdaWatch final : public Controller {
 public:
  explicit AdaWatch(std::shared_ptr<AdaController> ada) : ada_(std::move(ada)) {}
  void watch(const Hits&, const at::Tensor& real_outputs, const Judge& judge) override {
    auto counts = sign_counts(real_outputs);
    if (judge.statistics()) judge.statistics()->all_reduce_sum(counts, "ada signs");
    ada_->observe(counts[0].item<int64_t>(), counts[1].item<int64_t>(), counts[2].item<int64_t>());
  }
  void save(State& state) const override { ada_->save(state); }
  void load(const State& state, Pace&) override { ada_->load(state); }
  std::vector<std::pair<std::string, double>> figures() const override { return {{"ada_p", ada_->p()}, {"ada_r", ada_->overfitting()}}; }

 private:
  std::shared_ptr<AdaController> ada_;
};

}  // namespace

Augmentation make_augmentation(const AugmentConfig& config, int64_t global_batch) {
  std::shared_ptr<AdaController> ada;
  Augmentation made;
  if (config.ada.on) {
    ada = std::make_shared<AdaController>(config.ada, global_batch);
    made.controller = std::make_unique<AdaWatch>(ada);
  }
  made.filter = std::make_unique<AugmentFilter>(config, ada);
  return made;
}

}  // namespace ganymede::gan
