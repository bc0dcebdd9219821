#include "core/rng.hpp"
#include "data/row_reader.hpp"
#include "data/sample_source.hpp"

namespace ganymede::data {
namespace {

class ReplacementSource final : public SampleSource {
 public:
  explicit ReplacementSource(const SourceSetup& setup)
      : rng_(setup.seed), samples_(static_cast<uint64_t>(setup.samples())), rows_(make_row_reader(setup.dataset, setup.config.cache_mib)) {}
  bool is_one_sequence() const override { return false; }
  void fill(Phase phase, int64_t number, Batch& batch) override {
    const Draw draw{.purpose = Purpose::data, .step = number, .index = static_cast<int64_t>(phase)};
    for (int64_t i = 0; i < batch.samples.size(0); ++i)
      rows_->put(static_cast<int64_t>((rng_.words(draw, batch.first_place + i, 0)[0] * samples_) >> 32), batch, i);
  }

 private:
  const Rng rng_;
  const uint64_t samples_;
  std::unique_ptr<RowReader> rows_;
};

}  // namespace

std::unique_ptr<SampleSource> make_replacement_source(const SourceSetup& setup) { return std::make_unique<ReplacementSource>(setup); }

}  // namespace ganymede::data
