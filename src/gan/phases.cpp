#include "gan/phases.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/where.h>

#include <algorithm>

#include "gan/pixels.hpp"

namespace ganymede::gan {
namespace {

using nets::Source;
using Together = DiscriminatorTerm::Together;

void add_to(at::Tensor& sum, const at::Tensor& value) { sum = sum.defined() ? sum + value : value; }

// What the ways to arrange samples share.
class Arrangement : public Passes {
 public:
  Arrangement(const Game& game, const Judge& judge) : game_(game), judge_(judge) {
    for (const auto& term : game.discriminator_terms) {
      together_ = std::max(together_, term->together());
      wants_slope_ = wants_slope_ || term->needs_input_gradient();
    }
    for (const auto& term : game.generator_terms) {
      wants_reals_ = wants_reals_ || term->reals() != GeneratorTerm::Reals::none;
      captured_ = std::max(captured_, term->captured_layer());
    }
  }

 protected:
  Judged shown(const Phase& phase, const at::Tensor& samples, const at::Tensor& labels, Source source, size_t m) const {
    return judge_.prepare({samples, labels, phase.reals.share.range(source, m), phase.record.step, phase.record.iteration});
  }
  Judged shown_reals(const Phase& phase, Source source, size_t m) const {
    const auto& share = phase.reals.share;
    auto real = shown(phase, share.micro(phase.reals.samples, m), share.micro(phase.reals.labels, m), source, m);
    if (wants_slope_ && source == Source::d_real) real.input = real.input.detach().requires_grad_(true);
    return real;
  }
  Judged shown_fakes(const Phase& phase, const Fakes& fakes, Source source, size_t m) const {
    const auto& samples = source == Source::d_fake ? fakes.micro[m].detach() : fakes.micro[m];
    return shown(phase, samples, phase.reals.share.micro(fakes.labels, m), source, m);
  }

  // The sum of what each term of a list has to add; each one's own value joins the phase's.
  template <typename Terms, typename ValueOf>
  void add_up(const Terms& terms, Phase& phase, at::Tensor& sum, const ValueOf& value_of) const {
    phase.values.resize(terms.size());
    for (size_t t = 0; t < terms.size(); ++t) {
      const auto value = value_of(*terms[t]);
      if (!value.defined()) continue;
      add_to(sum, value);
      add_to(phase.values[t], value.detach());
    }
  }
  void add_real(Phase& phase, at::Tensor& sum, const Judged& real) const {
    add_up(game_.discriminator_terms, phase, sum, [&](auto& term) { return term.on_real(real, judge_); });
  }
  void add_fake(Phase& phase, at::Tensor& sum, const Judged& fake) const {
    add_up(game_.discriminator_terms, phase, sum, [&](auto& term) { return term.on_fake(fake, judge_); });
  }
  void add_both(Phase& phase, at::Tensor& sum, const Judged& real, const Judged& fake) const {
    add_up(game_.discriminator_terms, phase, sum, [&](auto& term) { return term.on_both(real, fake, judge_); });
  }
  void add_generator(Phase& phase, at::Tensor& sum, const Judged& fake, const Judged& real) const {
    add_up(game_.generator_terms, phase, sum, [&](auto& term) { return term.value(fake, real, judge_); });
  }

  static void backward(const at::Tensor& loss, bool is_last, const BeforeLastBackward& arm) {
    if (is_last) arm();
    loss.backward();
  }

  // One output a row of D, in the order of the batch; packs have an order of their own, but only one micro-batch.
  static at::Tensor joined(const Phase& phase, std::vector<at::Tensor> parts) {
    for (auto& part : parts) part = part.detach();
    return phase.reals.share.joined(parts);
  }

  const Game& game_;
  const Judge& judge_;
  Together together_ = Together::no;
  bool wants_slope_ = false, wants_reals_ = false;
  int64_t captured_ = -1;
};

// G's side of single samples, in one pass or two.
class Single : public Arrangement {
 public:
  using Arrangement::Arrangement;
  void generator(Phase& phase, const Fakes& fakes, const BeforeLastBackward& arm) override {
    std::vector<at::Tensor> outputs;
    for (size_t m = 0; m < fakes.micro.size(); ++m) {
      Judged real;
      if (wants_reals_) {
        real = shown_reals(phase, Source::g_real, m);
        judge_.ask(real, nullptr, captured_);
      }
      auto fake = shown_fakes(phase, fakes, Source::g_fake, m);
      judge_.ask(fake, nullptr, captured_);
      at::Tensor loss;
      add_generator(phase, loss, fake, real);
      backward(loss, m + 1 == fakes.micro.size(), arm);
      outputs.push_back(fake.outputs);
    }
    phase.record.logit_fake = joined(phase, std::move(outputs));
  }
};

class Separate final : public Single {
 public:
  using Single::Single;

  void before_fakes(Phase& phase) override {
    if (waits(phase)) return;
    for (size_t m = 0; m < phase.reals.share.micro_count(); ++m) {
      auto real = shown_reals(phase, Source::d_real, m);
      judge_.ask(real);
      at::Tensor loss;
      add_real(phase, loss, real);
      if (together_ == Together::graph) {
        phase.kept_loss = loss;
      } else {
        loss.backward();
        real.outputs = real.outputs.detach();
        if (together_ == Together::no) real.input = at::Tensor();
      }
      phase.kept.push_back(std::move(real));
    }
  }

  void with_fakes(Phase& phase, const Fakes& fakes, const BeforeLastBackward& arm) override {
    std::vector<at::Tensor> real_outputs, fake_outputs;
    for (size_t m = 0; m < fakes.micro.size(); ++m) {
      at::Tensor loss = std::exchange(phase.kept_loss, {});
      if (waits(phase)) {
        auto real = shown_reals(phase, Source::d_real, m);
        judge_.ask(real);
        add_real(phase, loss, real);
        phase.kept.push_back(std::move(real));
      }
      auto fake = shown_fakes(phase, fakes, Source::d_fake, m);
      judge_.ask(fake);
      add_fake(phase, loss, fake);
      if (together_ != Together::no) add_both(phase, loss, phase.kept[m], fake);
      backward(loss, m + 1 == fakes.micro.size(), arm);
      real_outputs.push_back(std::exchange(phase.kept[m], {}).outputs);
      fake_outputs.push_back(fake.outputs.detach());
    }
    phase.kept.clear();
    phase.record.logit_real = joined(phase, std::move(real_outputs));
    phase.record.logit_fake = joined(phase, std::move(fake_outputs));
  }

 private:
  // The graphs of all micro-batches at once would be the memory that micro-batches are to save.
  bool waits(const Phase& phase) const { return together_ == Together::graph && phase.reals.share.micro_count() > 1; }
};

class Joint final : public Single {
 public:
  using Single::Single;
  void before_fakes(Phase&) override {}
  void with_fakes(Phase& phase, const Fakes& fakes, const BeforeLastBackward& arm) override {
    std::vector<at::Tensor> real_outputs, fake_outputs;
    for (size_t m = 0; m < fakes.micro.size(); ++m) {
      auto real = shown_reals(phase, Source::d_real, m), fake = shown_fakes(phase, fakes, Source::d_fake, m);
      judge_.ask(real, &fake);
      at::Tensor loss;
      add_real(phase, loss, real);
      add_fake(phase, loss, fake);
      add_both(phase, loss, real, fake);
      backward(loss, m + 1 == fakes.micro.size(), arm);
      real_outputs.push_back(real.outputs);
      fake_outputs.push_back(fake.outputs);
    }
    phase.record.logit_real = joined(phase, std::move(real_outputs));
    phase.record.logit_fake = joined(phase, std::move(fake_outputs));
  }
};

class Paired final : public Arrangement {
 public:
  using Arrangement::Arrangement;
  void before_fakes(Phase&) override {}

  void with_fakes(Phase& phase, const Fakes& fakes, const BeforeLastBackward& arm) override {
    phase.record.slots = slots(phase, 3);
    std::vector<at::Tensor> outputs;
    for (size_t m = 0; m < fakes.micro.size(); ++m) {
      const auto real = shown_reals(phase, Source::d_real, m), fake = shown_fakes(phase, fakes, Source::d_fake, m);
      auto pair = side_by_side(phase, real, fake, m), exchanged = side_by_side(phase, fake, real, m);
      if (wants_slope_) pair.input = pair.input.detach().requires_grad_(true);
      judge_.ask(pair);
      at::Tensor loss;
      add_real(phase, loss, pair);
      add_both(phase, loss, pair, exchanged);
      backward(loss, m + 1 == fakes.micro.size(), arm);
      outputs.push_back(pair.outputs);
    }
    phase.record.logit_real = joined(phase, std::move(outputs));
  }

  void generator(Phase& phase, const Fakes& fakes, const BeforeLastBackward& arm) override {
    phase.record.slots = slots(phase, 4);
    std::vector<at::Tensor> outputs;
    for (size_t m = 0; m < fakes.micro.size(); ++m) {
      const auto real = shown_reals(phase, Source::g_real, m), fake = shown_fakes(phase, fakes, Source::g_fake, m);
      auto pair = side_by_side(phase, real, fake, m);
      judge_.ask(pair);
      at::Tensor loss;
      add_generator(phase, loss, pair, {});
      backward(loss, m + 1 == fakes.micro.size(), arm);
      outputs.push_back(pair.outputs);
    }
    phase.record.logit_fake = joined(phase, std::move(outputs));
  }

 private:
  // 1 where the real stands first; every rank makes the whole permutation.
  at::Tensor slots(const Phase& phase, int64_t index) const {
    const int64_t n = judge_.global_batch();
    const auto places = judge_.rng().permutation(n, 0, static_cast<uint32_t>(phase.record.step), Rng::last_word(Draw{Purpose::labels, 0, index}));
    const auto& share = phase.reals.share;
    auto t = at::empty({share.rows}, judge_.type());
    for (int64_t i = 0; i < share.rows; ++i) t[i].fill_(places[static_cast<size_t>(share.first_place + i)] < n / 2 ? 1.0 : 0.0);
    return t;
  }
  Judged side_by_side(const Phase& phase, const Judged& a, const Judged& b, size_t m) const {
    Judged pair = a;
    pair.slots = phase.reals.share.micro(phase.record.slots, m);
    const auto a_first = per_sample(pair.slots, a.input) > 0.5;
    const auto other = b.input.to(a.input.scalar_type());
    pair.input = at::cat({at::where(a_first, a.input, other), at::where(a_first, other, a.input)}, 1);
    return pair;
  }
};

}  // namespace

std::unique_ptr<Passes> make_passes(ObjectiveConfig::DBatch how, const Game& game, const Judge& judge) {
  switch (how) {
    case ObjectiveConfig::DBatch::joint: return std::make_unique<Joint>(game, judge);
    case ObjectiveConfig::DBatch::paired: return std::make_unique<Paired>(game, judge);
    default: return std::make_unique<Separate>(game, judge);
  }
}

}  // namespace ganymede::gan
