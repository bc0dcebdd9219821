#include <algorithm>
#include <cstring>

#include "data/sample_source.hpp"
#include "data/sample_store.hpp"
#include "data/streams.hpp"

namespace ganymede::data {
namespace {

// The chunks of the first `samples` of a data set.
std::vector<int64_t> first_chunks(const std::vector<int64_t>& chunks, int64_t samples) {
  std::vector<int64_t> kept;
  for (size_t i = 0; samples > 0; samples -= kept.back(), ++i) kept.push_back(std::min(chunks[i], samples));
  return kept;
}

class StreamSource final : public SampleSource {
 public:
  explicit StreamSource(const SourceSetup& setup)
      : dataset_(setup.dataset), plan_(setup.plan),
        order_(first_chunks(setup.dataset.chunks(), setup.samples()), setup.plan.streams, setup.config.window, setup.seed),
        store_(make_store(setup.dataset, setup.config.cache_mib)) {}
  bool is_one_sequence() const override { return true; }
  void fill(Phase, int64_t, Batch& batch) override {
    const int64_t sample_bytes = dataset_.sample_bytes(), label_bytes = dataset_.label_bytes();
    auto* sample = static_cast<uint8_t*>(batch.samples.mutable_data_ptr());
    auto* label = label_bytes > 0 ? static_cast<uint8_t*>(batch.labels.mutable_data_ptr()) : nullptr;
    auto* index = batch.real_index.mutable_data_ptr<int64_t>();
    for (int64_t v = plan_.first_stream(); v < plan_.end_stream(); ++v) {
      const int64_t end = plan_.given(v, batch.drawn + plan_.global_batch);
      for (int64_t position = plan_.given(v, batch.drawn); position < end;) {
        const Window& window = order_.window_at(v, position);
        store_->load(v, window);
        for (; position < std::min(end, window.end_position()); ++position) {
          const int64_t i = position - window.first_position;
          std::memcpy(sample, store_->sample(v, window, i), static_cast<size_t>(sample_bytes));
          sample += sample_bytes;
          if (label) std::memcpy(label, store_->label(v, window, i), static_cast<size_t>(label_bytes));
          if (label) label += label_bytes;
          *index++ = window.samples[i];
        }
      }
    }
  }

 private:
  Dataset& dataset_;
  const BatchPlan plan_;
  StreamOrder order_;
  std::unique_ptr<SampleStore> store_;
};

}  // namespace

std::unique_ptr<SampleSource> make_stream_source(const SourceSetup& setup) { return std::make_unique<StreamSource>(setup); }

}  // namespace ganymede::data
