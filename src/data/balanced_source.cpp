#include "core/error.hpp"
#include "core/rng.hpp"
#include "data/row_reader.hpp"
#include "data/sample_source.hpp"

namespace ganymede::data {
namespace {

// The numbers of the samples of each class, in the order of the data set.
std::vector<std::vector<int64_t>> by_class(const SourceSetup& setup) {
  std::vector<std::vector<int64_t>> of_class(static_cast<size_t>(setup.dataset.manifest().class_count()));
  const auto labels = setup.dataset.read_classes(0, setup.samples());
  for (size_t i = 0; i < labels.size(); ++i) of_class[static_cast<size_t>(labels[i])].push_back(static_cast<int64_t>(i));
  for (size_t k = 0; k < of_class.size(); ++k)
    if (of_class[k].empty())
      throw Error(Fault::recipe, "data.class_balanced: there is no sample of class '{}' to draw", setup.dataset.manifest().classes->at(k))
          .remedy("lower data.holdout, or build the data set without the empty class");
  return of_class;
}

class BalancedSource final : public SampleSource {
 public:
  explicit BalancedSource(const SourceSetup& setup)
      : rng_(setup.seed), of_class_(by_class(setup)), rows_(make_row_reader(setup.dataset, setup.config.cache_mib)) {}
  bool is_one_sequence() const override { return false; }
  void fill(Phase phase, int64_t number, Batch& batch) override {
    const Draw draw{.purpose = Purpose::data, .step = number, .index = static_cast<int64_t>(phase)};
    for (int64_t i = 0; i < batch.samples.size(0); ++i) {
      const auto words = rng_.words(draw, batch.first_place + i, 0);
      const auto& own = of_class_[(uint64_t{words[0]} * of_class_.size()) >> 32];
      rows_->put(own[(uint64_t{words[1]} * own.size()) >> 32], batch, i);
    }
  }

 private:
  const Rng rng_;
  const std::vector<std::vector<int64_t>> of_class_;
  std::unique_ptr<RowReader> rows_;
};

}  // namespace

std::unique_ptr<SampleSource> make_balanced_source(const SourceSetup& setup) { return std::make_unique<BalancedSource>(setup); }

}  // namespace ganymede::data
