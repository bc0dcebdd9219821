// One set of samples measured in every way that fits it: the list that evaluation.hpp prints for samples and for reals.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "core/rng.hpp"
#include "data/mixture.hpp"

namespace ganymede::train {

struct Measure {
  std::string metric;
  double value;
  std::string how;  // thresholds and what else the protocol must name
};

/// points, reference float32 [n,F]; classes [n] that were asked for, or undefined.
std::vector<Measure> measure_mixture(const data::Mixture& mixture, const at::Tensor& points, const at::Tensor& reference,
                                     const at::Tensor& classes, const Rng& rng);
/// probabilities [n,10], frequencies [10].
std::vector<Measure> measure_digits(const at::Tensor& probabilities, const at::Tensor& frequencies, const at::Tensor& classes);
/// probabilities [n,3,10].
std::vector<Measure> measure_stacks(const at::Tensor& probabilities, const at::Tensor& classes);

}  // namespace ganymede::train
