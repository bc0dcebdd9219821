#include "gan/dragan.hpp"

#include <ATen/ops/full.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/square.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sum.h>

#include <cmath>

#include "config/fields.hpp"
#include "gan/input_gradient.hpp"
#include "gan/pixels.hpp"
#include "gan/disk_order.hpp"
#include "nets/collectives.hpp"

namespace ganymede::gan {
namespace {

constexpr double epsilon = 1e-10, spread = 0.5;

class Dragan final : public DiscriminatorTerm {
 public:
  explicit Dragan(const DraganConfig& config) : config_(config) {}
  const char* key() const override { return "dragan"; }
  Together together() const override { return Together::values; }

  // With the fakes' half, so that its pass over D follows both of the players'.
  at::Tensor on_both(const Judged& real, const Judged&, const Judge& judge) override {
    const auto x = real.input.detach();
    const auto u = as_pixels(draw_rows(judge, real, Purpose::perturb, 0, elements_of_row(x)), x);
    const auto alpha = per_sample(draw_rows(judge, real, Purpose::gp_alpha, 1, 1), x);
    const auto point = x + alpha * (spread * global_deviation(x, judge)) * u;
    const auto norm = at::sqrt(squared_input_gradients(point, real, nets::Source::penalty, judge) + epsilon);
    return at::sum(at::square(norm - 1.0)) * (config_.weight / judge.decisions());
  }

 private:
  static double global_deviation(const at::Tensor& x, const Judge& judge) {
    const auto wide = x.to(at::kDouble);
    auto sums = at::stack({at::sum(wide), at::sum(at::square(wide)), at::full({}, static_cast<double>(x.numel()), at::kDouble)});
    if (judge.statistics()) judge.statistics()->all_reduce_sum(sums, "dragan sums");
    const double n = sums[2].item<double>();
    const double mean = sums[0].item<double>() / n;
    return std::sqrt(std::max(0.0, sums[1].item<double>() / n - mean * mean));
  }
  DraganConfig config_;
};

}  // namespace

void describe(config::Fields& fields, DraganConfig& c) { fields.number("dragan", c.weight, "weight of DRAGAN's penalty around reals; 0 = off").at_least(0); }

std::unique_ptr<DiscriminatorTerm> make_dragan(const DraganConfig& config) { return std::make_unique<Dragan>(config); }

}  // namespace ganymede::gan
