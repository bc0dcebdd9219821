#include "gan/classifier_loss.hpp"

#include <ATen/ops/gather.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/sum.h>

namespace ganymede::gan {
namespace {

at::Tensor cross_entropy(const Judged& judged, double weight, const Judge& judge) {
  const auto picked = at::gather(at::log_softmax(judged.classes, 1), 1, judged.labels.view({-1, 1}));
  return at::sum(picked) * (-weight / judge.decisions());
}

class OfDiscriminator final : public DiscriminatorTerm {
 public:
  OfDiscriminator(double weight, bool on_fakes) : weight_(weight), on_fakes_(on_fakes) {}
  const char* key() const override { return "classifier"; }
  at::Tensor on_real(const Judged& real, const Judge& judge) override { return cross_entropy(real, weight_, judge); }
  at::Tensor on_fake(const Judged& fake, const Judge& judge) override { return on_fakes_ ? cross_entropy(fake, weight_, judge) : at::Tensor(); }

 private:
  double weight_;
  bool on_fakes_;
};

class OfGenerator final : public GeneratorTerm {
 public:
  explicit OfGenerator(double weight) : weight_(weight) {}
  const char* key() const override { return "classifier"; }
  at::Tensor value(const Judged& fake, const Judged&, const Judge& judge) override { return cross_entropy(fake, weight_, judge); }

 private:
  double weight_;
};

}  // namespace

std::unique_ptr<DiscriminatorTerm> make_classifier_loss_of_d(double weight, bool on_fakes) { return std::make_unique<OfDiscriminator>(weight, on_fakes); }
std::unique_ptr<GeneratorTerm> make_classifier_loss_of_g(double weight) { return std::make_unique<OfGenerator>(weight); }

}  // namespace ganymede::gan
