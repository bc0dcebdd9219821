#include "gan/r1.hpp"

#include <ATen/ops/sum.h>

#include "config/fields.hpp"
#include "gan/input_gradient.hpp"

namespace ganymede::gan {
namespace {

class R1 final : public DiscriminatorTerm {
 public:
  explicit R1(const R1Config& config) : config_(config) {}
  const char* key() const override { return "r1"; }
  bool needs_input_gradient() const override { return true; }
  at::Tensor on_real(const Judged& real, const Judge& judge) override {
    if (real.step % config_.every_steps != 0) return {};
    const double weight = 0.5 * config_.weight * static_cast<double>(config_.every_steps);
    return at::sum(squared_slopes(real.outputs, real.input)) * (weight / judge.decisions());
  }

 private:
  R1Config config_;
};

}  // namespace

void describe(config::Fields& fields, R1Config& c) {
  fields.number("r1", c.weight, "weight of the squared slope at reals; 0 = off").at_least(0);
  fields.integer("r1_every", c.every_steps, "on every n-th D step, times n").at_least(1);
}

std::unique_ptr<DiscriminatorTerm> make_r1(const R1Config& config) { return std::make_unique<R1>(config); }

}  // namespace ganymede::gan
