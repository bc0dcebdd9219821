#include "data/manifest.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "data/data_sets.hpp"
#include "data/dataset.hpp"
#include "storage/expect_fault.hpp"
#include "storage/sha256.hpp"
#include "storage/temporary_folder.hpp"

namespace ganymede::data {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

class ManifestFile : public testing::Test {
 protected:
  ManifestFile() { manifest_ = write_numbered(folder_.path(), 20, thread_); }
  Json json() const { return Json::parse(read_bytes(folder_ / "manifest.json")); }
  // Puts `change`d JSON in place and expects its refusal with these words.
  void expect_refused(const std::vector<std::string>& words, const std::function<void(Json&)>& change) {
    const Json before = json();
    Json changed = before;
    change(changed);
    write_bytes(folder_ / "manifest.json", changed.dump());
    auto all = words;
    all.push_back("manifest.json");
    expect_fault(Fault::bad_data, all, [&] { read_manifest(folder_.path()); });
    write_bytes(folder_ / "manifest.json", before.dump());
  }
  void expect_unfit(const std::vector<std::string>& words) {
    auto all = words;
    all.push_back("shard-00000.h5");
    expect_fault(Fault::bad_data, all, [&] { Dataset(folder_.path(), thread_); });
  }

  storage::TemporaryFolder folder_;
  storage::Hdf5Thread thread_;
  Manifest manifest_;
};

TEST_F(ManifestFile, ComesBackAndIsNamedByItsBytes) {
  const auto back = read_manifest(folder_.path());
  EXPECT_EQ(back.shape, (std::vector<int64_t>{5, 4, 2}));
  EXPECT_EQ(back.counts, (std::vector<int64_t>{7, 7, 6}));
  EXPECT_EQ(back.classes, manifest_.classes);
  EXPECT_EQ(back.layout(), "NHWC");
  EXPECT_EQ(back.sample_bytes(), 40);
  EXPECT_EQ(back.shards.size(), 1u);
  EXPECT_EQ(back.shards[0].sha256, storage::sha256_file(folder_ / "shard-00000.h5"));
  EXPECT_EQ(back.sha256, manifest_.sha256);
  EXPECT_EQ(back.sha256, storage::sha256_file(folder_ / "manifest.json"));
}

TEST_F(ManifestFile, RefusesWhatIsNotExactlyOne) {
  const Json whole = json();
  for (const auto& [key, value] : whole.items()) expect_refused({key, "is missing"}, [&, name = key](Json& j) { j.erase(name); });
  expect_refused({"format"}, [](Json& j) { j["format"] = "other"; });
  expect_refused({"version 2", "remedy"}, [](Json& j) { j["version"] = 2; });
  expect_refused({"samples", "integer"}, [](Json& j) { j["samples"] = "20"; });
  expect_refused({"samples", "is 21", "20"}, [](Json& j) { j["samples"] = 21; });
  expect_refused({"samples", "integer"}, [](Json& j) { j["samples"] = 20.0; });
  expect_refused({"samples", "integer"}, [](Json& j) { j["samples"] = UINT64_MAX; });
  expect_refused({"shape"}, [](Json& j) { j["shape"] = {5, 4}; });
  expect_refused({"shape"}, [](Json& j) { j["shape"] = {5, 0, 2}; });
  expect_refused({"shape"}, [](Json& j) { j["shape"] = {5, 1LL << 40, 2}; });
  expect_refused({"shape", "list"}, [](Json& j) { j["shape"] = 5; });
  expect_refused({"dtype"}, [](Json& j) { j["dtype"] = "float32"; });
  expect_refused({"type"}, [](Json& j) { j["type"] = "sound"; });
  expect_refused({"counts"}, [](Json& j) { j["counts"] = {1, 2}; });
  expect_refused({"counts", "sums to 6"}, [](Json& j) { j["counts"] = {1, 2, 3}; });
  expect_refused({"classes"}, [](Json& j) { j["classes"] = Json::array(); });
  expect_refused({"range"}, [](Json& j) { j["range"] = {1, 0}; });
  expect_refused({"shards[0].sha256"}, [](Json& j) { j["shards"][0]["sha256"] = "AB"; });
  expect_refused({"shards", "twice"}, [](Json& j) {
    j["shards"].push_back(j["shards"][0]);
    j["samples"] = 40;
    j["counts"] = nullptr;
  });
  expect_refused({"shards"}, [](Json& j) { j["shards"] = Json::object(); });
  for (const char* name : {"", ".", "..", "../shard-00000.h5", "/etc/passwd", "a/b.h5", "a\\b.h5", ".hidden"})
    expect_refused({"file", "bare name"}, [&](Json& j) { j["shards"][0]["file"] = name; });
  EXPECT_NO_THROW(read_manifest(folder_.path()));
}

TEST_F(ManifestFile, RefusesWhatIsNoJsonOrNotThere) {
  const auto whole = read_bytes(folder_ / "manifest.json");
  for (size_t length = 0; length + 2 < whole.size(); length += 13) {
    write_bytes(folder_ / "manifest.json", whole.substr(0, length));
    expect_fault(Fault::bad_data, {"manifest.json", "no JSON"}, [&] { read_manifest(folder_.path()); });
  }
  write_bytes(folder_ / "manifest.json", "[1]");
  expect_fault(Fault::bad_data, {"no JSON object"}, [&] { read_manifest(folder_.path()); });
  write_bytes(folder_ / "manifest.json", std::string(100'000, '['));
  expect_fault(Fault::bad_data, {"no JSON"}, [&] { read_manifest(folder_.path()); });
  fs::remove(folder_ / "manifest.json");
  expect_fault(Fault::bad_data, {"no data set", "data build"}, [&] { read_manifest(folder_.path()); });
  expect_fault(Fault::bad_data, {"absent"}, [&] { read_manifest(folder_ / "absent"); });
}

TEST_F(ManifestFile, ShardsAreCheckedWhenTheDataSetIsOpened) {
  const auto change = [&](const std::function<void(Json&)>& edit) {
    Json j = json();
    edit(j);
    write_bytes(folder_ / "manifest.json", j.dump());
  };
  EXPECT_NO_THROW(Dataset(folder_.path(), thread_));
  const Json good = json();
  change([](Json& j) { j["shape"] = {4, 5, 2}; });
  expect_unfit({"samples", "[20,5,4,2]", "[20,4,5,2]"});
  change([&](Json& j) { j = good, j["classes"] = {"a", "b"}, j["counts"] = nullptr; });
  expect_unfit({"classes", "3"});
  change([&](Json& j) { j = good, j["shards"][0]["bytes"] = 1; });
  expect_unfit({"bytes, not 1"});
  change([&](Json& j) { j = good, j["type"] = "points", j["shape"] = {5}, j["dtype"] = "float32"; });
  expect_unfit({"layout"});
  change([&](Json& j) { j = good, j["shards"][0]["file"] = "shard-00000.h5x"; });
  expect_unfit({"does not exist"});
  change([&](Json& j) { j = good; });
  EXPECT_NO_THROW(Dataset(folder_.path(), thread_));
}

TEST_F(ManifestFile, AShardCutAnywhereIsBadData) {
  const auto whole = read_bytes(folder_ / "shard-00000.h5");
  for (size_t length = 0; length < whole.size(); length += 61) {
    write_bytes(folder_ / "shard-00000.h5", whole.substr(0, length));
    expect_unfit({"ends early", "remedy"});
    // The same if the manifest agrees with the size: then HDF5 itself must notice.
    Json j = json();
    j["shards"][0]["bytes"] = std::max<size_t>(1, length);
    const auto before = read_bytes(folder_ / "manifest.json");
    write_bytes(folder_ / "manifest.json", j.dump());
    expect_unfit({});
    write_bytes(folder_ / "manifest.json", before);
  }
}

TEST_F(ManifestFile, VerifyFindsEveryTurnedBit) {
  EXPECT_NO_THROW(verify(folder_.path()));
  const auto whole = read_bytes(folder_ / "shard-00000.h5");
  const auto seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  std::mt19937 random(seed);
  for (int trial = 0; trial < 100; ++trial) {
    auto bytes = whole;
    bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
    write_bytes(folder_ / "shard-00000.h5", bytes);
    SCOPED_TRACE(fmt::format("trial {} of seed {}", trial, seed));
    expect_fault(Fault::bad_data, {"shard-00000.h5", "SHA-256"}, [&] { verify(folder_.path()); });
  }
  write_bytes(folder_ / "shard-00000.h5", whole + "x");
  expect_fault(Fault::bad_data, {"shard-00000.h5", "bytes"}, [&] { verify(folder_.path()); });
}

}  // namespace
}  // namespace ganymede::data
