#include "train/monitor.hpp"

#include <ATen/ATen.h>

#include "core/error.hpp"
#include "data/held_out.hpp"
#include "evaluate/coverage.hpp"
#include "evaluate/digit_classifier.hpp"
#include "evaluate/draws.hpp"
#include "evaluate/input_gradient.hpp"
#include "gan/class_planes.hpp"
#include "gan/feature_matching.hpp"
#include "gan/input_gradient.hpp"
#include "gan/pixels.hpp"
#include "train/classifier.hpp"
#include "train/gather_rows.hpp"
#include "train/generation.hpp"

namespace ganymede::train {
namespace {

using nets::ConditionalKind;

constexpr const char* group = "monitor";
constexpr int64_t centroids = 16;

// For the length of a check: nobody's buffers move, and no gradient of a weight is made.
class Evaluating {
 public:
  explicit Evaluating(nets::Network& network) : network_(network) {
    network_.eval();
    network_.set_trainable(false);
  }
  ~Evaluating() {
    network_.set_trainable(true);
    network_.train();
  }
  Evaluating(const Evaluating&) = delete;
  Evaluating& operator=(const Evaluating&) = delete;

 private:
  nets::Network& network_;
};

at::Tensor flat(const at::Tensor& samples) { return samples.flatten(1); }

}  // namespace

Monitor::Monitor(Session& session, comm::Communicator& communicator) : session_(session), communicator_(communicator) {
  const auto& c = session.config();
  samples_ = c.monitor.samples;
  evaluate::check_sample_counts(samples_, data::held_out_count(session.dataset(), c.data));
  is_paired_ = c.objective.d_batch == gan::ObjectiveConfig::DBatch::paired;
  joined_ = is_paired_ ? 1 : c.objective.pack;
  const int64_t packs = samples_ / joined_, rank = communicator.rank(), ranks = communicator.size();
  first_ = packs * rank / ranks * joined_, own_ = packs * (rank + 1) / ranks * joined_ - first_;
  if (!is_paired_) penultimate_ = gan::layer_before_last(session.network(gan::Player::discriminator));
  const auto& r = c.regularizers;
  wants_slopes_ = r.gradient_penalty.weight > 0 || r.r1.weight > 0 || r.dragan.weight > 0 || r.weight_clip.bound > 0 || c.discriminator.spectral_norm;

  if (!c.monitor.classifier.empty()) {
    const auto& manifest = session.manifest();
    if (!can_be_judged(manifest) || manifest.shape[2] != 1)
      throw Error(Fault::recipe, "monitor.classifier knows grey digits of 28 or 32 pixels, and {} holds others", c.data.path).remedy("leave monitor.classifier out");
    classifier_ = load_good_classifier(c.monitor.classifier).network;
  }

  if (classifier_) {
    check_ = std::make_unique<evaluate::CollapseCheck>(evaluate::CollapseCheck::by_classes(evaluate::digit_classes, c.monitor.kernel));
    return;
  }
  const auto& mixture = session.manifest().mixture;
  at::Tensor centres;
  if (mixture) {
    centres = at::empty({mixture->components(), mixture->dims()}, at::kDouble);
    for (int64_t k = 0; k < mixture->components(); ++k)
      for (int64_t f = 0; f < mixture->dims(); ++f) centres[k][f].fill_(mixture->centres[k][f]);
  } else {
    const auto all = at::cat({flat(gathered(reals(0, 0).samples, "held-out reals")), flat(gathered(reals(0, samples_).samples, "held-out reals"))});
    centres = evaluate::kmeans_centroids(all.to(at::kDouble), std::min(centroids, all.size(0)), session.rng());
  }
  check_ = std::make_unique<evaluate::CollapseCheck>(centres, c.monitor.kernel);
}

Monitor::Set Monitor::reals(int64_t step, int64_t first) const {
  const auto batch = data::held_out(session_.dataset(), session_.config().data, session_.rng(), step, first + first_, own_);
  Set set{data::to_network_input(batch, gan::scalar_type(session_.config().run.precision)), {}};
  if (batch.labels.defined() && batch.labels.dim() == 1) set.labels = batch.labels.to(at::kLong);
  return set;
}

// With classes every class comes equally often.
Monitor::Set Monitor::fakes(int64_t step) const {
  const auto& c = session_.config();
  auto z = nets::latents(session_.rng(), c.latent, Draw{Purpose::eval, step, evaluate::latents}, first_, own_, gan::scalar_type(c.run.precision));
  Set set;
  nets::Pass pass;
  if (c.conditional.kind != ConditionalKind::none) {
    const int64_t classes = session_.manifest().class_count();
    set.labels = cycling_labels(classes, samples_).narrow(0, first_, own_);
    z = at::cat({z, gan::one_hot(set.labels, classes, z.scalar_type())}, 1);
    pass.labels = set.labels;
  }
  set.samples = session_.network(gan::Player::generator).forward(z, pass);
  return set;
}

// As D takes them: with the class's planes, in packs.
at::Tensor Monitor::shown(const Set& set) const {
  auto x = set.samples;
  if (session_.config().conditional.kind == ConditionalKind::planes) x = gan::with_planes(x, set.labels, session_.manifest().class_count());
  if (joined_ == 1) return x;
  auto shape = x.sizes().vec();
  shape[0] /= joined_, shape[1] *= joined_;
  return x.reshape(shape);
}

// D's minibatch layers see the rows of all ranks, as in training.
nets::Pass Monitor::pass_of(const at::Tensor& labels) const {
  nets::Pass pass;
  pass.labels = labels;
  const int64_t packs = samples_ / joined_, ranks = communicator_.size();
  nets::RowRange range{nets::Source::d_real, own_ / joined_, first_ / joined_, own_ / joined_, {}, {}};
  if (ranks > 1)
    for (int64_t r = 0; r <= ranks; ++r) range.starts.push_back(packs * r / ranks);
  pass.ranges.push_back(std::move(range));
  return pass;
}

at::Tensor Monitor::features(const Set& set) const {
  if (penultimate_ < 0) return flat(set.samples);
  auto pass = pass_of(set.labels);
  at::Tensor captured;
  pass.capture_layer = penultimate_, pass.captured = &captured;
  session_.network(gan::Player::discriminator).forward(shown(set), pass);
  return flat(captured);
}

// Undefined without a classifier. Pictures are made bytes first, as it knows them.
at::Tensor Monitor::classes(const Set& set) const {
  if (!classifier_) return {};
  const auto judged = own_ > 0 ? judge_pictures(*classifier_, as_stored(set.samples)).squeeze(1) : at::empty({0, evaluate::digit_classes}, at::kDouble);
  return gathered(judged, "check classes");
}

at::Tensor Monitor::gathered(const at::Tensor& own, const char* what) const { return gather_rows(communicator_, own, what, session_.deadline()); }

void Monitor::see_losses(const std::vector<double>& losses) {
  for (const double loss : losses) check_->see_loss(loss);
}

bool Monitor::check(int64_t step, const evaluate::CheckNumbers& numbers) {
  const Evaluating generator(session_.network(gan::Player::generator)), discriminator(session_.network(gan::Player::discriminator));
  Set fake, real;
  evaluate::CheckSamples samples;
  {
    const at::NoGradGuard no_graph;
    fake = fakes(step), real = reals(step, 0);
    const auto real2 = reals(step, samples_);
    const auto data_of = [&](const Set& set) { return gathered(flat(set.samples).to(at::kFloat), "check samples"); };
    const auto features_of = [&](const Set& set) { return gathered(features(set).to(at::kFloat), "check features"); };
    samples = {data_of(fake), data_of(real), data_of(real2), features_of(fake), features_of(real), features_of(real2), classes(fake), classes(real), classes(real2)};
  }
  const auto before = check_->monitor().state();
  const auto report = check_->run(samples, numbers);
  figures_ = report.keys;
  if (wants_slopes_) measure_slopes(step, fake, real);
  return report.state == evaluate::CollapseState::collapsed && before != evaluate::CollapseState::collapsed;
}

// ‖∂ℓ/∂x‖ at reals, fakes and points between (WGAN-GP's, with a draw of its own); of packs as wholes, and so of pairs, which are one
// set: every other one has the real first.
void Monitor::measure_slopes(int64_t step, const Set& fake, const Set& real) {
  const auto x_fake = shown(fake).detach(), x_real = shown(real).detach();
  const auto alpha = session_.rng().uniform(Draw{Purpose::eval, step, evaluate::interpolation}, first_ / joined_, x_real.size(0), 1);
  const auto part = gan::per_sample(alpha, x_real);
  const auto between = part * x_real + (1.0 - part) * x_fake;
  const auto report = [&](const char* where, const at::Tensor& x, const at::Tensor& labels) {
    const auto point = x.clone().requires_grad_(true);
    auto outputs = session_.network(gan::Player::discriminator).forward(point, pass_of(labels));
    if (outputs.dim() == 2) outputs = outputs.select(1, 0);  // a classifier's columns stand behind
    const auto norms = gan::squared_slopes(outputs, point).detach().sqrt().to(at::kDouble);
    const auto summary = evaluate::summarize_input_gradients(gathered(norms, "input gradients"));
    const auto key = fmt::format("input_gradient_{}{}", where, joined_ > 1 ? "_pack" : "");
    figures_.emplace_back(key + "_max", summary.largest);
    figures_.emplace_back(key + "_p99", summary.percentile_99);
    figures_.emplace_back(key + "_above_1", summary.share_above_one);
  };
  if (is_paired_) {
    const auto real_first = (at::arange(x_real.size(0)) + first_).remainder(2) == 0;
    const auto order = gan::per_sample(real_first, x_real);
    report("pair", at::cat({at::where(order, x_real, x_fake), at::where(order, x_fake, x_real)}, 1), {});
    return;
  }
  report("real", x_real, real.labels);
  report("fake", x_fake, fake.labels);
  report("between", between, real.labels);
}

void Monitor::save(State& state) const { check_->save(state, group); }
void Monitor::load(const State& state) { check_->load(state, group); }

}  // namespace ganymede::train
