#include "data/build.hpp"

#include <gtest/gtest.h>

#include "data/data_sets.hpp"
#include "data/inspect.hpp"
#include "storage/expect_fault.hpp"
#include "storage/temporary_folder.hpp"

namespace ganymede::data {
namespace {

namespace fs = std::filesystem;

int64_t entries(const fs::path& folder) { return std::distance(fs::directory_iterator(folder), fs::directory_iterator()); }

class Build : public testing::Test {
 protected:
  Build() {
    fs::create_directory(folder_ / "source");
    fs::create_directory(folder_ / "out");
    write_source(10);
  }
  // n images 6 x 4, image i filled with i; labels i mod 5.
  void write_source(uint32_t n) {
    std::string pixels, labels;
    for (uint32_t i = 0; i < n; ++i) pixels += std::string(24, static_cast<char>(i)), labels += static_cast<char>(i % 5);
    write_gzip(folder_ / "source" / "train-images-idx3-ubyte.gz", idx_header(2051, {n, 6, 4}) + pixels);
    write_bytes(folder_ / "source" / "train-labels-idx1-ubyte", idx_header(2049, {n}) + labels);
  }
  IdxOptions options(const std::string& name) const { return {.source = folder_ / "source", .output = folder_ / "out" / name, .size = {}}; }
  // Nothing half written stays beside the output either.
  void expect_nothing_built(Fault fault, const std::vector<std::string>& words, const IdxOptions& options) {
    expect_fault(fault, words, [&] { build_from_idx(options, thread_); });
    EXPECT_EQ(entries(folder_ / "out"), 0);
  }

  storage::TemporaryFolder folder_;
  storage::Hdf5Thread thread_;
};

TEST_F(Build, FromAFolderAndFromOneFile) {
  const auto manifest = build_from_idx(options("a"), thread_);
  EXPECT_EQ(manifest.shape, (std::vector<int64_t>{6, 4, 1}));
  EXPECT_EQ(manifest.counts, (std::vector<int64_t>{2, 2, 2, 2, 2}));
  EXPECT_EQ(manifest.classes, (std::vector<std::string>{"0", "1", "2", "3", "4"}));
  EXPECT_EQ(read_manifest(folder_ / "out" / "a").sha256, manifest.sha256);
  auto one_file = options("b");
  one_file.source /= "train-images-idx3-ubyte.gz";
  EXPECT_EQ(build_from_idx(one_file, thread_).sha256, manifest.sha256);  // the labels lie beside it; equal bytes for equal input
  auto bare = options("c");
  bare.labels = false;
  const auto unlabelled = build_from_idx(bare, thread_);
  EXPECT_FALSE(unlabelled.classes || unlabelled.counts);
  Dataset dataset(folder_ / "out" / "c", thread_);
  EXPECT_FALSE(dataset.has_labels());
  fs::copy_file(folder_ / "source" / "train-images-idx3-ubyte.gz", folder_ / "alone.gz");
  auto alone = options("d");
  alone.source = folder_ / "alone.gz";
  EXPECT_FALSE(build_from_idx(alone, thread_).classes);
}

TEST_F(Build, RefusesWithNothingLeftBehind) {
  auto test = options("x");
  test.split = Split::test;
  expect_nothing_built(Fault::bad_data, {"t10k-images-idx3-ubyte", "missing"}, test);
  write_bytes(folder_ / "source" / "train-labels-idx1-ubyte", idx_header(2049, {9}) + std::string(9, 0));
  expect_nothing_built(Fault::bad_data, {"9 labels", "10 images"}, options("x"));
  fs::remove(folder_ / "source" / "train-labels-idx1-ubyte");
  expect_nothing_built(Fault::bad_data, {"train-labels-idx1-ubyte", "missing", "--no-labels"}, options("x"));
  write_source(10);
  const auto images = folder_ / "source" / "train-images-idx3-ubyte.gz";
  const auto whole = read_bytes(images);
  write_bytes(images, whole.substr(0, whole.size() - 9));
  expect_nothing_built(Fault::bad_data, {"train-images", "early"}, options("x"));
  auto tiny = options("x");
  tiny.size = 0;
  expect_nothing_built(Fault::usage, {"--size 0"}, tiny);
  auto nowhere = options("x");
  nowhere.source = folder_ / "nowhere";
  expect_nothing_built(Fault::bad_data, {"nowhere", "does not exist"}, nowhere);
}

TEST_F(Build, OutputMayBeAnEmptyFolderOnly) {
  fs::create_directory(folder_ / "out" / "empty");
  build_from_idx(options("empty"), thread_);
  const auto before = read_bytes(folder_ / "out" / "empty" / "manifest.json");
  expect_fault(Fault::cannot_write, {"empty", "already"}, [&] { build_from_idx(options("empty"), thread_); });
  EXPECT_EQ(read_bytes(folder_ / "out" / "empty" / "manifest.json"), before);
  expect_fault(Fault::cannot_write, {}, [&] { synth_mixture(ring(), {.output = folder_ / "out" / "empty"}, thread_); });
  EXPECT_EQ(entries(folder_ / "out"), 1);
}

TEST_F(Build, ShardsAreSplitAndReadAcross) {
  // 40 bytes a sample, chunks of 26,215 samples: 60,000 samples in shards of 1 MiB.
  const auto manifest = write_numbered(folder_ / "split", 60'000, thread_, true, 1);
  ASSERT_EQ(manifest.shards.size(), 3u);
  EXPECT_EQ(manifest.shards[2].samples, 60'000 - 2 * 26'215);
  Dataset dataset(folder_ / "split", thread_);
  EXPECT_EQ(dataset.chunks(), (std::vector<int64_t>{26'215, 26'215, 7'570}));
  auto samples = at::empty({60'000, 5, 4, 2}, at::kByte);
  auto labels = at::empty({60'000}, at::kInt);
  dataset.read(0, 60'000, samples.data_ptr<uint8_t>(), reinterpret_cast<uint8_t*>(labels.data_ptr<int32_t>()));
  EXPECT_TRUE(at::equal(samples, numbered_images(60'000)));
  EXPECT_TRUE(at::equal(labels, numbered_labels(60'000)));
  dataset.read(26'214, 2, samples.data_ptr<uint8_t>(), nullptr);
  EXPECT_TRUE(at::equal(samples.slice(0, 0, 2), numbered_images(26'216).slice(0, 26'214)));
}

TEST_F(Build, StatCountsAndAverages) {
  write_numbered(folder_ / "set", 500, thread_);
  const auto found = stat(folder_ / "set", thread_);
  const auto values = numbered_images(500).to(at::kDouble);
  EXPECT_EQ(found.samples, 500);
  EXPECT_EQ(found.counts, (std::vector<int64_t>{167, 167, 166}));
  EXPECT_NEAR(found.mean, values.mean().item<double>(), 1e-10);
  EXPECT_NEAR(found.std, values.std(false).item<double>(), 1e-10);
  for (int64_t c = 0; c < 2; ++c) {
    EXPECT_NEAR(found.channel_mean[c], values.select(3, c).mean().item<double>(), 1e-10);
    EXPECT_NEAR(found.channel_std[c], values.select(3, c).std(false).item<double>(), 1e-10);
  }
  EXPECT_EQ(found.bytes, static_cast<int64_t>(fs::file_size(folder_ / "set" / "shard-00000.h5")));
}

TEST_F(Build, PeekShowsDifferentSamples) {
  write_numbered(folder_ / "set", 50, thread_);
  for (const int64_t count : {1, 20, 26, 50, 80}) {
    const auto found = peek(folder_ / "set", count, 3, thread_);
    const std::set<int64_t> different(found.real_index.begin(), found.real_index.end());
    ASSERT_EQ(static_cast<int64_t>(different.size()), std::min<int64_t>(count, 50));
    const auto index = at::tensor(found.real_index, at::kLong);
    EXPECT_TRUE(at::equal(found.samples, numbered_images(50).index_select(0, index)));
    EXPECT_TRUE(at::equal(found.labels, numbered_labels(50).index_select(0, index)));
    EXPECT_EQ(found.classes.size(), 3u);
  }
  EXPECT_NE(peek(folder_ / "set", 10, 1, thread_).real_index, peek(folder_ / "set", 10, 2, thread_).real_index);
}

TEST(Resize, KeepsFlatFieldsAndMeans) {
  const auto flat = at::full({2, 28, 28, 1}, 77, at::kByte);
  for (const int64_t size : {14, 28, 32, 64}) EXPECT_TRUE(at::equal(fit_to_square(flat, size, Fit::crop), at::full({2, size, size, 1}, 77, at::kByte)));
  // A checkerboard of single pixels shrinks to grey: sampling instead of averaging would give black or white.
  const auto board = ((at::arange(64).reshape({64, 1}) + at::arange(64)).remainder(2) * 255).to(at::kByte).reshape({1, 64, 64, 1});
  const auto small = fit_to_square(board, 16, Fit::resize).to(at::kFloat).slice(1, 1, 15).slice(2, 1, 15);
  EXPECT_LE((small - 127.5).abs().max().item<float>(), 3);
  // Growing keeps a blob where it was: the centre of mass moves with the scale.
  auto blob = at::zeros({1, 28, 28, 1}, at::kByte);
  blob.slice(1, 5, 9).slice(2, 18, 22).fill_(200);
  for (const int64_t size : {32, 64}) {
    const auto grown = fit_to_square(blob, size, Fit::crop).to(at::kDouble).reshape({size, size});
    const double scale = static_cast<double>(size) / 28;
    EXPECT_NEAR((grown.sum(1) * at::arange(size)).sum().item<double>() / grown.sum().item<double>(), 7.0 * scale - 0.5, 0.05);
    EXPECT_NEAR((grown.sum(0) * at::arange(size)).sum().item<double>() / grown.sum().item<double>(), 20.0 * scale - 0.5, 0.05);
    EXPECT_NEAR(grown.sum().item<double>(), 200.0 * 16 * scale * scale, 200.0 * 16 * scale * scale * 0.03);
  }
}

TEST(Resize, FitsWideImages) {
  // Left half dark, right half bright; 10 high, 20 wide; two channels.
  auto wide = at::full({1, 10, 20, 2}, 50, at::kByte);
  wide.slice(2, 10, 20).fill_(150);
  const auto crop = fit_to_square(wide, 10, Fit::crop);
  EXPECT_TRUE(at::equal(crop, wide.slice(2, 5, 15)));
  const auto pad = fit_to_square(wide, 20, Fit::pad);
  EXPECT_TRUE(at::equal(pad.slice(1, 5, 15), wide));
  EXPECT_EQ(pad.slice(1, 0, 5).max().item<int>(), 0);
  EXPECT_EQ(pad.slice(1, 15, 20).max().item<int>(), 0);
  const auto stretched = fit_to_square(wide, 20, Fit::resize);
  EXPECT_EQ(stretched.sizes(), (at::IntArrayRef{1, 20, 20, 2}));
  EXPECT_TRUE(at::equal(stretched.select(1, 7), wide.select(1, 3)));
  EXPECT_EQ(fit_to_square(wide, 7, Fit::crop).sizes(), (at::IntArrayRef{1, 7, 7, 2}));
  EXPECT_EQ(fit_to_square(wide, 7, Fit::pad).sizes(), (at::IntArrayRef{1, 7, 7, 2}));
}

}  // namespace
}  // namespace ganymede::data
