#include "gan/drift.hpp"

#include <ATen/ops/square.h>
#include <ATen/ops/sum.h>

#include "config/fields.hpp"

namespace ganymede::gan {
namespace {

class Drift final : public DiscriminatorTerm {
 public:
  explicit Drift(const DriftConfig& config) : config_(config) {}
  const char* key() const override { return "drift"; }
  at::Tensor on_real(const Judged& real, const Judge& judge) override { return at::sum(at::square(real.outputs)) * (config_.weight / judge.decisions()); }

 private:
  DriftConfig config_;
};

}  // namespace

void describe(config::Fields& fields, DriftConfig& c) { fields.number("drift", c.weight, "weight of the squared outputs at reals; 0 = off").at_least(0); }

std::unique_ptr<DiscriminatorTerm> make_drift(const DriftConfig& config) { return std::make_unique<Drift>(config); }

}  // namespace ganymede::gan
