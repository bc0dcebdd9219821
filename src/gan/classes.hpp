// Which class a fake is to have, and how G is told: z with the class appended as one-hot.
// Draws: purpose labels; index 0 classes of D's fakes, 1 of G's.
#pragma once
#include <vector>

#include "gan/scene.hpp"
#include "nets/conditioning.hpp"

namespace ganymede::gan {

class ClassPolicy {
 public:
  /// counts: samples of each class, for empirical draws. No classes: every function hands through.
  ClassPolicy(const nets::ConditionalConfig& config, std::vector<int64_t> counts);
  bool is_on() const { return config_.kind != nets::ConditionalKind::none; }
  /// Of D's fakes, [rows] int64; undefined without classes.
  at::Tensor for_discriminator(const RealBatch& reals, const Rng& rng, int64_t d_step) const;
  at::Tensor for_generator(const Share& share, const Rng& rng, int64_t g_step) const;
  /// G's input: z [B,Z], or with the class [B,Z+K].
  at::Tensor join(const at::Tensor& z, const at::Tensor& labels) const;

 private:
  at::Tensor draw(nets::FakeLabels how, const Share& share, const Rng& rng, int64_t step, int64_t index) const;
  nets::ConditionalConfig config_;
  std::vector<int64_t> counts_;
};

}  // namespace ganymede::gan
