// Where the reals of a batch come from: one class for each way of sampling, behind one interface. Every one is a pure function of
// (seed, number of the batch, place), so no rank talks, nothing is saved, and the batch does not depend on the number of ranks.
//   stream       every epoch holds each sample once, in the order of streams.hpp; the G phase draws the next N of the same stream
//   replacement  sample (x · n) >> 32 of n
//   balanced     class (x0 · K) >> 32, then sample (x1 · n_class) >> 32 of that class, in the order of the data set (Karras et al. 2020)
//   synth        computed: synthesis.hpp
//   table        T virtual rows, fixed at the start; row t names m samples, (x · n) >> 32 for the elements 0 … m − 1 of purpose data,
//                index 2, step 0, place t. Rows are read as a stream of T, in min(V, N / m) streams and stretches of 1 MiB, each row
//                giving m consecutive places (Lin et al. 2018, "PacGAN")
// replacement, balanced and synth draw with purpose data, index 0 for D's reals and 1 for those of the G phase; the step is the number of
// batches of that phase before this one. n counts without the held-out samples.
#pragma once
#include <memory>

#include "data/batch.hpp"
#include "data/batch_plan.hpp"
#include "data/data_config.hpp"
#include "data/dataset.hpp"

namespace ganymede::data {

/// Whose phase the reals are for. The value is the index of their draws.
enum class Phase { discriminator = 0, generator = 1 };

/// Used by one thread.
class SampleSource {
 public:
  virtual ~SampleSource() = default;
  /// True where the G phase takes the next batch of D's sequence; false where each phase has a sequence of its own.
  virtual bool is_one_sequence() const = 0;
  /// Fills this rank's slice of batch `number` (from 0) of the phase's sequence. The tensors of `batch` are there, its place is set.
  virtual void fill(Phase phase, int64_t number, Batch& batch) = 0;
};

/// What a source is made from; `dataset` outlives it.
struct SourceSetup {
  Dataset& dataset;
  BatchPlan plan;
  DataConfig config;
  uint64_t seed = 0;

  /// Samples that may be drawn: all but the held-out ones.
  int64_t samples() const { return dataset.samples() - config.holdout; }
};
std::unique_ptr<SampleSource> make_stream_source(const SourceSetup& setup);
std::unique_ptr<SampleSource> make_replacement_source(const SourceSetup& setup);
std::unique_ptr<SampleSource> make_balanced_source(const SourceSetup& setup);
std::unique_ptr<SampleSource> make_synth_source(const SourceSetup& setup);
std::unique_ptr<SampleSource> make_table_source(const SourceSetup& setup);

/// The one that the recipe asks for. Throws Error(Fault::recipe) where the data set does not allow it.
std::unique_ptr<SampleSource> make_source(const SourceSetup& setup);

}  // namespace ganymede::data
