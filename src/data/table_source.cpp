#include <algorithm>

#include "core/rng.hpp"
#include "data/row_reader.hpp"
#include "data/sample_source.hpp"
#include "data/sampling_rules.hpp"
#include "data/shard_format.hpp"
#include "data/streams.hpp"

namespace ganymede::data {
namespace {

constexpr int64_t table_index = 2;  // of purpose `data`

// The rows count as a data set that is stored contiguously: stretches of about 1 MiB.
std::vector<int64_t> stretches(int64_t rows, int64_t row_bytes) {
  std::vector<int64_t> list;
  for (const int64_t extent = format::chunk_samples(row_bytes); rows > 0; rows -= list.back()) list.push_back(std::min(rows, extent));
  return list;
}

class TableSource final : public SampleSource {
 public:
  explicit TableSource(const SourceSetup& setup)
      : rng_(setup.seed), members_(setup.config.table_members.value_or(1)), samples_(static_cast<uint64_t>(setup.samples())),
        plan_{.global_batch = setup.plan.global_batch / members_, .streams = table_streams(setup.config, setup.plan)},
        order_(stretches(table_rows(setup.config, setup.dataset.samples()), setup.dataset.sample_bytes() * members_), plan_.streams,
               setup.config.window, setup.seed),
        rows_(make_row_reader(setup.dataset, setup.config.cache_mib)) {}
  bool is_one_sequence() const override { return true; }
  // The batch is laid out in rows; this rank takes from it what lies in its places, which may begin or end inside a row.
  void fill(Phase, int64_t number, Batch& batch) override {
    const int64_t drawn = number * plan_.global_batch, first = batch.first_place, end = first + batch.samples.size(0);
    int64_t place = 0;
    for (int64_t v = 0; v < plan_.streams; ++v)
      for (int64_t position = plan_.given(v, drawn); position < plan_.given(v, drawn + plan_.global_batch); ++position, place += members_) {
        if (place + members_ <= first || place >= end) continue;
        const int64_t row = order_.sample_at(v, position);
        for (int64_t member = std::max<int64_t>(0, first - place); member < std::min(members_, end - place); ++member)
          rows_->put(stored(row, member), batch, place + member - first);
      }
  }

 private:
  // Nothing of the table is kept: a row is what the counters say it is.
  int64_t stored(int64_t row, int64_t member) const {
    const auto words = rng_.words({.purpose = Purpose::data, .step = 0, .index = table_index}, row, member / 4);
    return static_cast<int64_t>((words[static_cast<size_t>(member % 4)] * samples_) >> 32);
  }

  const Rng rng_;
  const int64_t members_;
  const uint64_t samples_;
  const BatchPlan plan_;  // of rows, over all ranks
  StreamOrder order_;
  std::unique_ptr<RowReader> rows_;
};

}  // namespace

std::unique_ptr<SampleSource> make_table_source(const SourceSetup& setup) { return std::make_unique<TableSource>(setup); }

}  // namespace ganymede::data
