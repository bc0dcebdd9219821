#include "data/reader.hpp"

#include <gtest/gtest.h>

#include "data/data_sets.hpp"
#include "data/streams.hpp"
#include "storage/expect_fault.hpp"
#include "storage/temporary_folder.hpp"

namespace ganymede::data {
namespace {

Deadline soon() { return Deadline::in(std::chrono::seconds(50)); }

class Read : public testing::Test {
 protected:
  DataConfig config(int64_t global_batch, std::optional<int64_t> streams, int64_t cache_mib) const {
    return {.path = "", .global_batch = global_batch, .batch_per_rank = {}, .streams = streams, .window = 3, .cache_mib = cache_mib, .prefetch = 2};
  }
  storage::TemporaryFolder folder_;
  storage::Hdf5Thread thread_;
};

TEST_F(Read, BatchesAreTheSamplesOfTheOrderHoweverTheyAreRead) {
  const int64_t n = 60'000;
  write_numbered(folder_ / "set", n, thread_, true, 1);
  const auto images = numbered_images(n);
  const auto labels = numbered_labels(n);
  Dataset dataset(folder_ / "set", thread_);
  for (const auto& [batch, streams] : std::vector<std::pair<int64_t, int64_t>>{{48, 48}, {50, 7}, {7000, 5}}) {
    for (const int64_t cache_mib : {0, 2048}) {
      std::vector<std::unique_ptr<Reader>> readers;
      const auto settings = config(batch, streams, cache_mib);
      for (int64_t rank = 0; rank < 3; ++rank) readers.push_back(std::make_unique<Reader>(dataset, resolve_plan(settings, n, 3, rank), settings, 5));
      StreamOrder order(dataset.chunks(), streams, settings.window, 5);
      for (int64_t drawn = 0; drawn < 25 * batch; drawn += batch) {  // the largest case passes two epochs
        std::vector<at::Tensor> index;
        int64_t place = 0;
        for (auto& reader : readers) {
          const auto got = reader->next(soon());
          EXPECT_EQ(got.first_place, place);
          EXPECT_EQ(got.global_batch, batch);
          EXPECT_TRUE(at::equal(got.samples, images.index_select(0, got.real_index)));
          EXPECT_TRUE(at::equal(got.labels, labels.index_select(0, got.real_index)));
          place += got.samples.size(0);
          index.push_back(got.real_index);
        }
        EXPECT_TRUE(at::equal(at::cat(index), at::tensor(order.batch({batch, streams, 1, 0}, drawn), at::kLong)));
      }
      EXPECT_EQ(readers[0]->drawn_samples(), 25 * batch);
      EXPECT_EQ(readers[0]->epoch(), 25 * batch / n);
      EXPECT_GE(readers[0]->take_wait_ms(), 0);
      EXPECT_EQ(readers[0]->take_wait_ms(), 0);
    }
  }
}

TEST_F(Read, SkippingGoesWhereWalkingGoes) {
  write_numbered(folder_ / "set", 300, thread_);
  Dataset dataset(folder_ / "set", thread_);
  for (const int64_t cache_mib : {0, 2048}) {
    const auto settings = config(20, 6, cache_mib);
    const auto plan = resolve_plan(settings, 300, 1, 0);
    Reader walking(dataset, plan, settings, 1), jumping(dataset, plan, settings, 1);
    at::Tensor last;
    for (int step = 0; step < 38; ++step) last = walking.next(soon()).real_index;
    jumping.next(soon());
    jumping.skip_to(37, 0);
    EXPECT_TRUE(at::equal(jumping.next(soon()).real_index, last));
    EXPECT_EQ(jumping.drawn_samples(), 38 * 20);
    jumping.skip_to(0, 0);
    Reader fresh(dataset, plan, settings, 1);
    EXPECT_TRUE(at::equal(jumping.next(soon()).real_index, fresh.next(soon()).real_index));
  }
}

TEST_F(Read, PointsAndUnlabelledImages) {
  write_numbered(folder_ / "images", 100, thread_, false);
  Dataset images(folder_ / "images", thread_);
  const auto settings = config(10, 5, 2048);
  Reader reader(images, resolve_plan(settings, 100, 1, 0), settings, 1);
  EXPECT_FALSE(reader.next(soon()).labels.defined());

  Manifest points;
  points.type = "points";
  points.shape = {3};
  points.dtype = "float32";
  points.samples = 100;
  std::filesystem::create_directory(folder_ / "points");
  const auto values = at::arange(300, at::kFloat).reshape({100, 3}) / 7;
  DatasetWriter writer(thread_, folder_ / "points", points, 512);
  writer.add(values, {});
  writer.finish();
  Dataset dataset(folder_ / "points", thread_);
  Reader point_reader(dataset, resolve_plan(settings, 100, 1, 0), settings, 1);
  const auto batch = point_reader.next(soon());
  EXPECT_TRUE(at::equal(batch.samples, values.index_select(0, batch.real_index)));
  EXPECT_TRUE(at::equal(to_network_input(batch, at::kDouble), batch.samples.to(at::kDouble)));
}

TEST_F(Read, WhatFailsWhileReadingIsThrownByNextAfterWhatIsReady) {
  write_numbered(folder_ / "set", 60'000, thread_, true, 1);
  const auto settings = config(5000, 2, 0);
  Dataset dataset(folder_ / "set", thread_);
  // Opened and found good; then the shards vanish, as when a disk is unmounted.
  std::filesystem::rename(folder_ / "set" / "shard-00001.h5", folder_ / "gone.h5");
  Reader reader(dataset, resolve_plan(settings, 60'000, 1, 0), settings, 1);
  const auto read_an_epoch = [&] {
    for (int step = 0; step < 12; ++step) reader.next(soon());
  };
  expect_fault(Fault::bad_data, {"shard-00001.h5"}, read_an_epoch);
  expect_fault(Fault::bad_data, {"shard-00001.h5"}, [&] { reader.next(soon()); });
  std::filesystem::rename(folder_ / "gone.h5", folder_ / "set" / "shard-00001.h5");
  reader.skip_to(0, 0);
  EXPECT_NO_THROW(read_an_epoch());
}

TEST_F(Read, AnAnswerThatDoesNotComePassesTheDeadline) {
  write_numbered(folder_ / "set", 100, thread_);
  Dataset dataset(folder_ / "set", thread_);
  const auto settings = config(10, 5, 2048);
  Reader reader(dataset, resolve_plan(settings, 100, 1, 0), settings, 1);
  std::promise<void> gate;
  auto blocked = thread_.post(storage::Priority::read, [&] { gate.get_future().wait(); });
  expect_fault(Fault::io, {"deadline", "set", "remedy"}, [&] { reader.next(Deadline::in(std::chrono::milliseconds(1))); });
  gate.set_value();
  blocked.get();
  EXPECT_EQ(reader.next(soon()).samples.size(0), 10);
}

TEST(ToNetworkInput, IsTheFormulaRoundedOnceInChannelsLastMemory) {
  const auto pixels = at::arange(256).to(at::kByte).reshape({2, 8, 8, 2});
  for (const auto type : {at::kDouble, at::kFloat, at::kBFloat16}) {
    const auto input = to_network_input(pixels, type);
    EXPECT_EQ(input.scalar_type(), type);
    EXPECT_EQ(input.sizes(), (at::IntArrayRef{2, 2, 8, 8}));
    EXPECT_TRUE(input.is_contiguous(at::MemoryFormat::ChannelsLast));
    const auto exact = (pixels.to(at::kDouble) / 127.5 - 1).permute({0, 3, 1, 2});
    EXPECT_TRUE(at::equal(input, exact.to(type)));
  }
  EXPECT_EQ(to_network_input(at::full({1, 1, 1, 1}, 255, at::kByte), at::kFloat).item<float>(), 1.0f);
  EXPECT_EQ(to_network_input(at::zeros({1, 1, 1, 1}, at::kByte), at::kFloat).item<float>(), -1.0f);
  EXPECT_EQ(to_network_input(at::zeros({3, 2, 8, 8, 1}, at::kByte), at::kFloat).sizes(), (at::IntArrayRef{3, 1, 2, 8, 8}));
}

}  // namespace
}  // namespace ganymede::data
