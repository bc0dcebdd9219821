// The class as further channels of what D sees: plane k is all ones where the class is k, else zeros; points get K numbers more.
// Mirza & Osindero 2014, "Conditional Generative Adversarial Nets", in the form with planes.
#pragma once
#include <memory>

#include "gan/scene.hpp"

namespace ganymede::gan {

/// [B] int64 below `classes` -> [B,K] in `type`.
at::Tensor one_hot(const at::Tensor& labels, int64_t classes, at::ScalarType type);
/// x [B,C,…] with K more channels.
at::Tensor with_planes(const at::Tensor& x, const at::Tensor& labels, int64_t classes);
std::unique_ptr<Filter> make_class_planes(int64_t classes);

}  // namespace ganymede::gan
