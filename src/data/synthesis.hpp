// Fresh samples, computed from the formula of a data set: new ones at every draw, a pure function of (seed, draw, place).
//   mixture: element 0 picks the component, the normals start at element 4; the label is the component
//   stacked digits: element j picks the stored stack whose channel j becomes channel j; the label is made of its digit there.
//     Over stacks that hold every digit once in each channel (`data synth stacked-mnist --once`) all digits are equally likely.
#pragma once
#include <memory>

#include "core/rng.hpp"
#include "data/batch.hpp"
#include "data/dataset.hpp"

namespace ganymede::data {

/// Used by one thread.
class Synthesis {
 public:
  virtual ~Synthesis() = default;
  /// Fills samples and labels of the batch's places; real_index becomes −1.
  virtual void fill(const Rng& rng, const Draw& draw, Batch& batch) = 0;
};

/// Throws Error(Fault::bug) where the data set has no formula (sampling_rules.hpp refuses it before). `dataset` outlives it.
std::unique_ptr<Synthesis> make_synthesis(Dataset& dataset, int64_t cache_mib);

}  // namespace ganymede::data
