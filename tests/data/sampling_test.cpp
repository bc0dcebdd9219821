// Every way of sampling: independence of the number of ranks, places to resume from, shares, and what is refused.
#include <gtest/gtest.h>

#include "data/build.hpp"
#include "data/data_sets.hpp"
#include "data/held_out.hpp"
#include "data/reader.hpp"
#include "storage/expect_fault.hpp"
#include "storage/temporary_folder.hpp"

namespace ganymede::data {
namespace {

Deadline soon() { return Deadline::in(std::chrono::seconds(50)); }

class Sample : public testing::Test {
 protected:
  static DataConfig config(int64_t global_batch, int64_t streams, Sampling sampling) {
    DataConfig c;
    c.global_batch = global_batch;
    c.streams = streams;
    c.sampling = sampling;
    return c;
  }
  // The global batches that `calls` ask for (d or g), joined over the ranks.
  std::vector<Batch> batches(Dataset& dataset, const DataConfig& config, int64_t world_size, const std::string& calls, int64_t d = 0, int64_t g = 0) {
    std::vector<std::unique_ptr<Reader>> readers;
    for (int64_t rank = 0; rank < world_size; ++rank) {
      readers.push_back(std::make_unique<Reader>(dataset, resolve_plan(config, dataset.samples(), world_size, rank), config, 5));
      readers.back()->skip_to(d, g);
    }
    std::vector<Batch> joined;
    for (const char call : calls) {
      std::vector<at::Tensor> samples, labels, index;
      Batch whole;
      int64_t place = 0;
      for (int64_t rank = 0; rank < world_size; ++rank) {
        const auto part = call == 'd' ? readers[rank]->next(soon()) : readers[rank]->next_for_generator(soon());
        const auto starts = resolve_plan(config, dataset.samples(), world_size, rank).starts(part.drawn);
        EXPECT_EQ(part.first_place, place);
        EXPECT_EQ(part.first_place, starts[rank]);
        EXPECT_EQ(part.first_place + part.samples.size(0), starts[rank + 1]);
        place += part.samples.size(0);
        samples.push_back(part.samples), index.push_back(part.real_index);
        if (part.labels.defined()) labels.push_back(part.labels);
        whole.drawn = part.drawn;
      }
      EXPECT_EQ(place, *config.global_batch);
      whole.samples = at::cat(samples), whole.real_index = at::cat(index);
      if (!labels.empty()) whole.labels = at::cat(labels);
      joined.push_back(whole);
    }
    return joined;
  }
  static void expect_equal(const Batch& a, const Batch& b, const std::string& what) {
    EXPECT_TRUE(at::equal(a.samples, b.samples)) << what;
    EXPECT_TRUE(at::equal(a.labels, b.labels)) << what;
    EXPECT_TRUE(at::equal(a.real_index, b.real_index)) << what;
    EXPECT_EQ(a.drawn, b.drawn) << what;
  }
  struct Case {
    std::string what, set;
    DataConfig config;
  };
  // One of each, uneven on every number of ranks; sets: a ring and stacked digits.
  std::vector<Case> cases() {
    synth_mixture(ring(), {.output = folder_ / "ring", .samples = 600, .seed = 2}, thread_);
    std::filesystem::create_directories(folder_ / "grey");
    Manifest about = describe_images(100, false);
    about.shape = {3, 2, 1};
    about.classes = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    DatasetWriter writer(thread_, folder_ / "grey", about, 512);
    writer.add(at::arange(100).reshape({100, 1, 1, 1}).expand({100, 3, 2, 1}).to(at::kByte).contiguous(), at::arange(100).remainder(10).to(at::kInt));
    writer.finish();
    synth_stacked({.sources = {folder_ / "grey"}, .output = folder_ / "stacked", .once = true}, thread_);
    std::vector<Case> list;
    for (const auto& [name, sampling] : std::vector<std::pair<std::string, Sampling>>{{"stream", Sampling::stream}, {"replacement", Sampling::replacement}, {"synth", Sampling::synth}})
      list.push_back({name, "ring", config(50, 7, sampling)});
    list.push_back({"held out", "ring", config(50, 7, Sampling::stream)});
    list.back().config.holdout = 77;
    list.push_back({"balanced", "ring", config(50, 7, Sampling::stream)});
    list.back().config.class_balanced = true;
    list.push_back({"table", "ring", config(50, 7, Sampling::table)});
    list.back().config.table_members = 5;
    list.push_back({"stacked", "stacked", config(50, 7, Sampling::synth)});
    return list;
  }

  storage::TemporaryFolder folder_;
  storage::Hdf5Thread thread_;
};

TEST_F(Sample, BatchesDependNeitherOnRanksNorOnARestartNorOnTheCache) {
  const std::string calls = "ddgddgdgg";
  for (auto& [what, set, settings] : cases()) {
    Dataset dataset(folder_ / set, thread_);
    const auto alone = batches(dataset, settings, 1, calls);
    for (int64_t world_size = 2; world_size <= 4; ++world_size) {
      const auto split = batches(dataset, settings, world_size, calls);
      for (size_t i = 0; i < alone.size(); ++i) expect_equal(split[i], alone[i], what);
    }
    for (size_t start = 1; start < calls.size(); ++start) {
      const auto d = std::count(calls.begin(), calls.begin() + static_cast<int64_t>(start), 'd');
      const auto resumed = batches(dataset, settings, 1 + static_cast<int64_t>(start) % 3, calls.substr(start), d, static_cast<int64_t>(start) - d);
      for (size_t i = start; i < alone.size(); ++i) expect_equal(resumed[i - start], alone[i], what);
    }
    auto uncached = settings;
    uncached.cache_mib = 0;
    const auto slow = batches(dataset, uncached, 2, calls);
    for (size_t i = 0; i < alone.size(); ++i) expect_equal(slow[i], alone[i], what);
    for (size_t i = 0; i < alone.size(); ++i)
      for (size_t j = 0; j < i; ++j) EXPECT_FALSE(at::equal(alone[i].samples, alone[j].samples)) << what << ": fresh every time, for either phase";
  }
}

TEST_F(Sample, TheReaderCountsWhatItHandsOut) {
  synth_mixture(ring(), {.output = folder_ / "ring", .samples = 100}, thread_);
  Dataset dataset(folder_ / "ring", thread_);
  for (const auto sampling : {Sampling::stream, Sampling::replacement}) {
    const auto settings = config(10, 5, sampling);
    Reader reader(dataset, resolve_plan(settings, 100, 1, 0), settings, 1);
    reader.skip_to(7, 3);
    for (int i = 0; i < 4; ++i) reader.next(soon());
    reader.next_for_generator(soon());
    EXPECT_EQ(reader.batches(Phase::discriminator), 11);
    EXPECT_EQ(reader.batches(Phase::generator), 4);
    EXPECT_EQ(reader.drawn_samples(), 150);
    EXPECT_EQ(reader.epoch(), 1);
    EXPECT_EQ(reader.epochs(), 1.5);
  }
}

TEST_F(Sample, ReplacementGivesEachOfTenItsShare) {
  synth_mixture(ring(), {.output = folder_ / "ring", .samples = 10}, thread_);
  Dataset dataset(folder_ / "ring", thread_);
  const auto settings = config(10'000, 1, Sampling::replacement);
  Reader reader(dataset, resolve_plan(settings, 10, 1, 0), settings, 3);
  auto counts = at::zeros({10}, at::kLong);
  for (int step = 0; step < 100; ++step) counts += at::bincount(reader.next(soon()).real_index, {}, 10);
  EXPECT_EQ(counts.sum().item<int64_t>(), 1'000'000);
  EXPECT_LE((counts.to(at::kDouble) / 1e6 - 0.1).abs().max().item<double>(), 0.0012);
}

TEST_F(Sample, BalancedGivesEachClassItsShareAndEachSampleItsOwn) {
  // 3 of class 0, 30 of class 1, 300 of class 2.
  std::filesystem::create_directories(folder_ / "set");
  DatasetWriter writer(thread_, folder_ / "set", describe_images(333, true), 512);
  const auto labels = at::cat({at::full({3}, 0), at::full({30}, 1), at::full({300}, 2)}).to(at::kInt).index_select(0, at::arange(333).mul(10).remainder(333));
  writer.add(numbered_images(333), labels);
  writer.finish();
  Dataset dataset(folder_ / "set", thread_);
  EXPECT_EQ(dataset.class_counts(), (std::vector<int64_t>{3, 30, 300}));
  auto settings = config(9'000, 1, Sampling::replacement);
  settings.class_balanced = true;
  Reader reader(dataset, resolve_plan(settings, 333, 1, 0), settings, 3);
  auto counts = at::zeros({333}, at::kLong);
  for (int step = 0; step < 10; ++step) {
    const auto batch = reader.next(soon());
    EXPECT_TRUE(at::equal(batch.labels, labels.index_select(0, batch.real_index)));
    counts += at::bincount(batch.real_index, {}, 333);
  }
  const auto of_class = counts.to(at::kDouble);
  for (const auto& [k, n] : std::vector<std::pair<int, double>>{{0, 3}, {1, 30}, {2, 300}}) {
    const auto own = of_class.index({labels.eq(k)});
    EXPECT_NEAR(own.sum().item<double>(), 30'000, 4 * std::sqrt(90'000 * (1.0 / 3) * (2.0 / 3))) << k;
    EXPECT_LE((own - 30'000 / n).abs().max().item<double>(), 5 * std::sqrt(30'000 / n)) << k;
  }
}

TEST_F(Sample, SynthHasTheSharesAndMomentsOfItsFormula) {
  const auto named = grid(3, 2, 0.3);
  synth_mixture(named, {.output = folder_ / "grid", .samples = 10}, thread_);
  Dataset dataset(folder_ / "grid", thread_);
  const auto settings = config(20'000, 4, Sampling::synth);
  Reader reader(dataset, resolve_plan(settings, 10, 1, 0), settings, 3);
  std::vector<at::Tensor> points, labels;
  for (int step = 0; step < 5; ++step) {
    const auto batch = step % 2 ? reader.next_for_generator(soon()) : reader.next(soon());
    EXPECT_TRUE(batch.real_index.eq(-1).all().item<bool>());
    points.push_back(batch.samples), labels.push_back(batch.labels);
  }
  // Vectorized arithmetic must not see where a rank's slice begins.
  const auto alone = batches(dataset, settings, 1, "dg"), split = batches(dataset, settings, 3, "dg");
  for (size_t i = 0; i < 2; ++i) expect_equal(split[i], alone[i], "a large batch");
  const auto all = at::cat(points).to(at::kDouble), label = at::cat(labels);
  const double n = 100'000, share = 1.0 / 9;
  for (int k = 0; k < 9; ++k) {
    const auto own = all.index({label.eq(k)});
    const auto count = static_cast<double>(own.size(0));
    EXPECT_NEAR(count, n * share, 4 * std::sqrt(n * share * (1 - share))) << k;
    for (int axis = 0; axis < 2; ++axis) {
      EXPECT_NEAR(own.select(1, axis).mean().item<double>(), named.mixture.centres[k][axis], 5 * 0.3 / std::sqrt(count)) << k;
      EXPECT_NEAR(own.select(1, axis).std().item<double>(), 0.3, 5 * 0.3 / std::sqrt(2 * count)) << k;
    }
  }
}

TEST_F(Sample, SynthStacksRecombineChannelsAndTheirLabels) {
  cases();
  Dataset dataset(folder_ / "stacked", thread_);
  const auto settings = config(5'000, 4, Sampling::synth);
  const auto batch = batches(dataset, settings, 2, "d")[0];
  const auto digits = batch.samples.select(1, 0).select(1, 0).to(at::kInt);  // every pixel of a channel is its digit's number, the digit that mod 10
  EXPECT_TRUE(at::equal(batch.samples.to(at::kInt), digits.reshape({5'000, 1, 1, 3}).expand({5'000, 3, 2, 3})));
  const auto classes = digits.remainder(10);
  EXPECT_TRUE(at::equal(batch.labels, classes.select(1, 0) * 100 + classes.select(1, 1) * 10 + classes.select(1, 2)));
  for (int channel = 0; channel < 3; ++channel) {
    const auto counts = at::bincount(digits.select(1, channel).to(at::kLong), {}, 100);
    EXPECT_LE((counts - 50).abs().max().item<int64_t>(), 36) << "5 deviations";
  }
  EXPECT_GT(std::get<0>(at::_unique(digits.select(1, 0) * 10'000 + digits.select(1, 1) * 100 + digits.select(1, 2))).size(0), 4'900);
}

TEST_F(Sample, TableRowsAreFixedAndComeOnceAnEpoch) {
  write_numbered(folder_ / "set", 97, thread_);
  Dataset dataset(folder_ / "set", thread_);
  auto settings = config(48, 16, Sampling::table);
  settings.table_members = 3;
  settings.table_rows = 800;  // 50 batches of 16 rows
  const auto epochs = batches(dataset, settings, 2, std::string(100, 'd'));
  std::array<std::map<std::vector<int64_t>, int>, 2> rows;
  for (size_t i = 0; i < 100; ++i) {
    const auto index = epochs[i].real_index.reshape({16, 3});
    for (int64_t r = 0; r < 16; ++r) {
      const auto* row = index.const_data_ptr<int64_t>() + 3 * r;
      ++rows[i / 50][{row, row + 3}];
    }
  }
  EXPECT_EQ(rows[0], rows[1]);
  int64_t total = 0;
  for (const auto& [row, count] : rows[0]) total += count;
  EXPECT_EQ(total, 800);
  EXPECT_GT(rows[0].size(), 790u);  // of 912,673 possible rows hardly any twice
  EXPECT_FALSE(at::equal(epochs[0].real_index, epochs[50].real_index));
  auto narrow = settings;  // fewer rows in a batch than streams
  narrow.table_members = 24;
  EXPECT_EQ(batches(dataset, narrow, 4, "dg").size(), 2u);
}

TEST_F(Sample, WhatIsHeldOutIsNeverDrawn) {
  write_numbered(folder_ / "set", 200, thread_);
  Dataset dataset(folder_ / "set", thread_);
  std::vector<DataConfig> list = {config(50, 5, Sampling::stream), config(50, 5, Sampling::replacement), config(50, 5, Sampling::table), config(50, 5, Sampling::stream)};
  list[3].class_balanced = true;
  for (auto& settings : list) {
    settings.holdout = 60;
    settings.table_members = settings.sampling == Sampling::table ? std::optional<int64_t>(5) : std::nullopt;
    int64_t highest = 0;
    for (const auto& batch : batches(dataset, settings, 2, std::string(60, 'd'))) highest = std::max(highest, batch.real_index.max().item<int64_t>());
    EXPECT_EQ(highest, 139);
  }
  const Rng rng(1);
  const auto first = held_out(dataset, list[0], rng, 100, 0, 20), second = held_out(dataset, list[0], rng, 100, 20, 40);
  EXPECT_TRUE(at::equal(first.real_index, at::arange(140, 160)));
  EXPECT_TRUE(at::equal(second.real_index, at::arange(160, 200)));
  EXPECT_TRUE(at::equal(second.samples, numbered_images(200).slice(0, 160)));
  EXPECT_TRUE(at::equal(second.labels, numbered_labels(200).slice(0, 160)));
  EXPECT_TRUE(at::equal(held_out(dataset, list[0], rng, 7, 0, 20).samples, first.samples));
  EXPECT_EQ(held_out_count(dataset, list[0]), 60);
  expect_fault(Fault::recipe, {"data.holdout = 60", "61", "remedy"}, [&] { held_out(dataset, list[0], rng, 0, 21, 40); });
  expect_fault(Fault::recipe, {"data.holdout = 0", "remedy"}, [&] { held_out(dataset, config(50, 5, Sampling::stream), rng, 0, 0, 1); });
}

TEST_F(Sample, FreshOnesStandInForWhatIsHeldOut) {
  synth_mixture(ring(), {.output = folder_ / "ring", .samples = 100}, thread_);
  Dataset dataset(folder_ / "ring", thread_);
  const Rng rng(1);
  const auto settings = config(10, 5, Sampling::synth);
  const auto whole = held_out(dataset, settings, rng, 50, 0, 64), part = held_out(dataset, settings, rng, 50, 24, 40);
  EXPECT_TRUE(at::equal(whole.samples.slice(0, 24), part.samples));
  EXPECT_TRUE(at::equal(whole.labels.slice(0, 24), part.labels));
  EXPECT_TRUE(whole.real_index.eq(-1).all().item<bool>());
  EXPECT_FALSE(at::equal(held_out(dataset, settings, rng, 100, 0, 64).samples, whole.samples));
  EXPECT_FALSE(at::equal(batches(dataset, settings, 1, "d")[0].samples, whole.samples.slice(0, 0, 10)));
  EXPECT_GT(held_out_count(dataset, settings), 1'000'000);
}

TEST_F(Sample, RefusesWhatDoesNotGoTogether) {
  write_numbered(folder_ / "plain", 100, thread_);
  write_numbered(folder_ / "bare", 100, thread_, false);
  synth_mixture(ring(), {.output = folder_ / "ring", .samples = 100}, thread_);
  const auto refused = [&](const std::string& set, const std::vector<std::string>& words, Sampling sampling, const std::function<void(DataConfig&)>& change) {
    Dataset dataset(folder_ / set, thread_);
    auto settings = config(12, 4, sampling);
    change(settings);
    expect_fault(Fault::recipe, words, [&] {
      const auto plan = resolve_plan(settings, dataset.samples(), 1, 0);
      Reader reader(dataset, plan, settings, 1);
    });
  };
  const auto nothing = [](DataConfig&) {};
  const auto balanced = [](DataConfig& c) { c.class_balanced = true; };
  refused("plain", {"synth", "formula", "plain", "remedy"}, Sampling::synth, nothing);
  refused("bare", {"data.class_balanced", "labels"}, Sampling::replacement, balanced);
  refused("ring", {"data.class_balanced", "synth"}, Sampling::synth, balanced);
  refused("ring", {"data.class_balanced", "table"}, Sampling::table, balanced);
  refused("ring", {"data.table_members = 5", "12"}, Sampling::table, [](DataConfig& c) { c.table_members = 5; });
  refused("ring", {"data.table_members = 0"}, Sampling::table, [](DataConfig& c) { c.table_members = 0; });
  refused("ring", {"data.table_rows = 0"}, Sampling::table, [](DataConfig& c) { c.table_rows = 0; });
  refused("ring", {"data.table_rows", "at least 16"}, Sampling::table, [](DataConfig& c) { c.table_rows = 15; });
  refused("ring", {"data.table_rows", "table"}, Sampling::stream, [](DataConfig& c) { c.table_rows = 15; });
  refused("ring", {"data.table_members", "table"}, Sampling::replacement, [](DataConfig& c) { c.table_members = 2; });
  refused("ring", {"data.holdout", "synth"}, Sampling::synth, [](DataConfig& c) { c.holdout = 2; });
  refused("ring", {"data.holdout = 100", "99"}, Sampling::stream, [](DataConfig& c) { c.holdout = 100; });
  refused("ring", {"data.holdout = -1"}, Sampling::stream, [](DataConfig& c) { c.holdout = -1; });
  refused("ring", {"data.streams = 4", "at least 16", "15"}, Sampling::stream, [](DataConfig& c) { c.holdout = 85; });
  refused("plain", {"data.class_balanced", "'two'"}, Sampling::stream, [](DataConfig& c) { c.class_balanced = true, c.holdout = 98; });
  // What the same small data set does allow.
  Dataset dataset(folder_ / "ring", thread_);
  auto few = config(300, 200, Sampling::replacement);
  EXPECT_EQ(batches(dataset, few, 1, "d")[0].samples.size(0), 300);
}

TEST(BatchPlan, StartsAreTheFirstPlacesOfTheRanks) {
  const BatchPlan plan{50, 7, 3, 1};
  EXPECT_EQ(plan.starts(0), (std::vector<int64_t>{0, 14, 28, 50}));
  for (int64_t drawn = 0; drawn < 5000; drawn += 50) {
    const auto starts = plan.starts(drawn);
    for (int64_t r = 0; r <= 3; ++r) EXPECT_EQ(starts[r], plan.rank_first_place(r, drawn));
  }
}

}  // namespace
}  // namespace ganymede::data
