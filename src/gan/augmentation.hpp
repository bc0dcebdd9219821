// [augment] at work: the filter that changes everything D sees, and the controller that sets ADA's probability by D's overfitting.
#pragma once
#include <memory>

#include "gan/augment.hpp"
#include "gan/terms.hpp"

namespace ganymede::gan {

struct Augmentation {
  std::unique_ptr<Filter> filter;
  std::unique_ptr<Controller> controller;  // nullptr without ADA
};

Augmentation make_augmentation(const AugmentConfig& config, int64_t global_batch);

}  // namespace ganymede::gan
