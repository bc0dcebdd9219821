#include "core/rng.hpp"
#include "data/sample_source.hpp"
#include "data/synthesis.hpp"

namespace ganymede::data {
namespace {

class SynthSource final : public SampleSource {
 public:
  explicit SynthSource(const SourceSetup& setup) : rng_(setup.seed), synthesis_(make_synthesis(setup.dataset, setup.config.cache_mib)) {}
  bool is_one_sequence() const override { return false; }
  void fill(Phase phase, int64_t number, Batch& batch) override {
    synthesis_->fill(rng_, {.purpose = Purpose::data, .step = number, .index = static_cast<int64_t>(phase)}, batch);
  }

 private:
  const Rng rng_;
  std::unique_ptr<Synthesis> synthesis_;
};

}  // namespace

std::unique_ptr<SampleSource> make_synth_source(const SourceSetup& setup) { return std::make_unique<SynthSource>(setup); }

}  // namespace ganymede::data
