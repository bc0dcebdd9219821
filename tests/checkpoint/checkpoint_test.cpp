#include "checkpoint/checkpoint.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>

#include "checkpoint/format.hpp"
#include "comm/solo.hpp"
#include "comm/thread_ranks.hpp"
#include "storage/temporary_folder.hpp"

namespace ganymede::checkpoint {
namespace {

void accept_all(const Snapshot&) {}

namespace fs = std::filesystem;
using storage::TemporaryFolder;

Deadline soon() { return Deadline::in(std::chrono::seconds(30)); }

Snapshot snapshot(int64_t step) {
  Snapshot s;
  s.counters = {step, 2 * step, step, 100 * step, 1, 7, "recipe", "data"};
  s.model.tensors["generator/0.weight"] = at::full({3, 4}, static_cast<double>(step), at::kDouble);
  s.model.tensors["optimizer/generator/exp_avg/0.weight"] = at::arange(12, at::kFloat);
  s.model.attributes["optimizer/generator"]["step"] = step;
  s.recipe = "[run]\nname = \"x\"\n";
  return s;
}

void save(const fs::path& run, int64_t step, int64_t keep = 3) {
  storage::Hdf5Thread hdf5;
  const auto solo = comm::solo();
  Writer writer(run, CheckpointConfig{1, keep}, *solo, hdf5);
  writer.start(snapshot(step), soon());
  writer.finish(soon());
}

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Checkpoint, ComesBackAsItWas) {
  const TemporaryFolder run;
  save(run.path(), 40);
  storage::Hdf5Thread hdf5;
  const auto back = load_newest(find(run.path()), hdf5, accept_all);
  const auto saved = snapshot(40);
  EXPECT_EQ(back.counters.step, 40);
  EXPECT_EQ(back.counters.images, 4000);
  EXPECT_EQ(back.counters.seed, 7u);
  EXPECT_EQ(back.recipe, saved.recipe);
  for (const auto& [name, tensor] : saved.model.tensors) EXPECT_TRUE(at::equal(back.model.tensors.at(name), tensor)) << name;
  EXPECT_EQ(std::get<int64_t>(back.model.attributes.at("optimizer/generator").at("step")), 40);
}

TEST(Checkpoint, SavingWhatWasLoadedGivesTheSameBytes) {
  const TemporaryFolder one, two;
  save(one.path(), 5);
  storage::Hdf5Thread hdf5;
  const auto solo = comm::solo();
  Writer writer(two.path(), CheckpointConfig{}, *solo, hdf5);
  writer.start(load_newest(find(one.path()), hdf5, accept_all), soon());
  writer.finish(soon());
  const auto relative = fs::path(folder_name) / step_folder(5);
  for (const char* name : {model_name, state_name, recipe_name})
    EXPECT_EQ(bytes_of(one.path() / relative / name), bytes_of(two.path() / relative / name)) << name;
}

TEST(Checkpoint, KeepsTheNewestAndNamesTheLatest) {
  const TemporaryFolder run;
  for (const int64_t step : {10, 20, 30, 40}) save(run.path(), step, 2);
  EXPECT_FALSE(fs::exists(run.path() / folder_name / step_folder(20)));
  EXPECT_TRUE(fs::exists(run.path() / folder_name / step_folder(30)));
  EXPECT_EQ(bytes_of(run.path() / latest_name), "step-000040\n");
  for (const auto& entry : fs::directory_iterator(run.path() / folder_name)) EXPECT_FALSE(entry.path().filename().string().starts_with(".tmp")) << entry.path();
}

// Each file damaged in turn, by a flipped bit, a cut and its absence: refused by name, and the one before is used.
TEST(Checkpoint, DamageIsNamedAndTheOneBeforeIsUsed) {
  for (const std::string name : {model_name, state_name, recipe_name})
    for (const std::string harm : {"flip", "cut", "remove"}) {
      const TemporaryFolder run;
      save(run.path(), 10);
      save(run.path(), 20);
      const auto file = run.path() / folder_name / step_folder(20) / name;
      auto bytes = bytes_of(file);
      if (harm == "flip") bytes[bytes.size() / 2] ^= 1;
      if (harm == "cut") bytes.resize(bytes.size() / 2);
      fs::remove(file);
      if (harm != "remove") std::ofstream(file, std::ios::binary) << bytes;
      storage::Hdf5Thread hdf5;
      try {
        load(run.path() / folder_name / step_folder(20), hdf5);
        // A bit of state.json that is in no key that matters may pass; anything else may not.
        EXPECT_TRUE(name == state_name && harm == "flip") << name << " " << harm;
      } catch (const Error& error) {
        EXPECT_EQ(error.fault(), Fault::bad_data) << error.what();
        EXPECT_NE(std::string(error.what()).find("step-000020"), std::string::npos) << error.what();
        EXPECT_EQ(load_newest(find(run.path()), hdf5, accept_all).counters.step, 10) << name << " " << harm;
      }
    }
}

TEST(Checkpoint, WhatIsNoRunIsRefused) {
  const TemporaryFolder empty;
  EXPECT_THROW(find(empty.path()), Error);
  EXPECT_THROW(find(empty.path() / "nothing"), Error);
}

// Rank 0 cannot write: every rank hears it, with the code, and nothing is left.
TEST(Checkpoint, AFailureReachesAllRanks) {
  const TemporaryFolder run;
  std::ofstream(run.path() / folder_name) << "a file where the folder should be";
  std::atomic<int> failures{0};
  comm::run_thread_ranks(3, [&](comm::Communicator& communicator) {
    storage::Hdf5Thread hdf5;
    Writer writer(run.path(), CheckpointConfig{}, communicator, hdf5);
    writer.start(snapshot(3), soon());
    try {
      writer.finish(soon());
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("saving checkpoint 3"), std::string::npos) << error.what();
      ++failures;
    }
  });
  EXPECT_EQ(failures, 3);
  EXPECT_FALSE(fs::exists(run.path() / latest_name));
}

}  // namespace
}  // namespace ganymede::checkpoint
