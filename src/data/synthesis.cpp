#include "data/synthesis.hpp"

#include "core/error.hpp"
#include "data/mixture.hpp"
#include "data/row_reader.hpp"

namespace ganymede::data {
namespace {

class MixtureSynthesis final : public Synthesis {
 public:
  explicit MixtureSynthesis(const Mixture& mixture) : points_(mixture) {}
  void fill(const Rng& rng, const Draw& draw, Batch& batch) override {
    const auto components = points_.pick(rng, draw, batch.first_place, batch.samples.size(0));
    batch.samples = points_.points(rng, draw, batch.first_place, components);
    if (batch.labels.defined()) batch.labels = components;
    batch.real_index.fill_(-1);
  }

 private:
  const MixturePoints points_;
};

class StackedSynthesis final : public Synthesis {
 public:
  StackedSynthesis(Dataset& dataset, int64_t cache_mib)
      : samples_(static_cast<uint64_t>(dataset.samples())), rows_(make_row_reader(dataset, cache_mib)),
        stack_(static_cast<size_t>(dataset.sample_bytes())) {}
  void fill(const Rng& rng, const Draw& draw, Batch& batch) override {
    constexpr int32_t power[] = {100, 10, 1};
    const auto bytes = static_cast<int64_t>(stack_.size());
    auto* sample = batch.samples.mutable_data_ptr<uint8_t>();
    auto* label = batch.labels.mutable_data_ptr<int32_t>();
    for (int64_t i = 0; i < batch.samples.size(0); ++i, sample += bytes) {
      const auto words = rng.words(draw, batch.first_place + i, 0);
      label[i] = 0;
      for (size_t channel = 0; channel < 3; ++channel) {
        int32_t whole = 0;
        rows_->read(static_cast<int64_t>((words[channel] * samples_) >> 32), stack_.data(), reinterpret_cast<uint8_t*>(&whole));
        for (int64_t at = static_cast<int64_t>(channel); at < bytes; at += 3) sample[at] = stack_[at];
        label[i] += whole / power[channel] % 10 * power[channel];
      }
    }
    batch.real_index.fill_(-1);
  }

 private:
  const uint64_t samples_;
  std::unique_ptr<RowReader> rows_;
  std::vector<uint8_t> stack_;
};

}  // namespace

std::unique_ptr<Synthesis> make_synthesis(Dataset& dataset, int64_t cache_mib) {
  const auto& manifest = dataset.manifest();
  if (manifest.mixture) return std::make_unique<MixtureSynthesis>(*manifest.mixture);
  if (manifest.stacked) return std::make_unique<StackedSynthesis>(dataset, cache_mib);
  throw Error(Fault::bug, "the data set {} has no formula", dataset.folder().string());
}

}  // namespace ganymede::data
