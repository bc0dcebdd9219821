#include "report/run_reporter.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.hpp"
#include "report/png.hpp"
#include "report/temporary_folder.hpp"

namespace ganymede::report {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

train::StatisticsRow row(int64_t step) {
  train::StatisticsRow r;
  r.step = step;
  r.images = step * 64;
  r.epoch = 0.5;
  r.loss_d = 1.25;
  r.loss_g = 0.75;
  r.d_real = 0.6;
  r.d_fake = 0.4;
  r.step_ms = 20;
  r.images_per_s = 3200;
  return r;
}

std::vector<int64_t> steps_in(const std::filesystem::path& file) {
  std::istringstream lines(contents(file));
  std::vector<int64_t> steps;
  for (std::string line; std::getline(lines, line);) steps.push_back(nlohmann::json::parse(line).at("step"));
  return steps;
}

TEST(StatsFile, WritesTheSpecifiedKeysInOrder) {
  auto r = row(50);
  r.grad_norm_d = std::nan("");
  r.grad_norm_g = std::numeric_limits<double>::infinity();
  r.extras = {{"gradient_penalty", 0.5}};
  EXPECT_EQ(to_json_line(r, true),
            R"({"schema":1,"step":50,"images":3200,"epoch":0.5,"loss_d":1.25,"loss_g":0.75,"d_real":0.6,"d_fake":0.4,)"
            R"("grad_norm_d":null,"grad_norm_g":null,"lr_d":0.0,"lr_g":0.0,"step_ms":20.0,"data_wait_ms":0.0,"comm_exposed_ms":0.0,)"
            R"("stat_wait_ms":0.0,"replay_ms":0.0,"images_per_s":3200.0,"rss_mib":0.0,"gradient_penalty":0.5})");
}

TEST(StatsFile, NamesTheSchemaOnceAndLosesNoRow) {
  const TemporaryFolder folder;
  const auto file = folder / "stats.jsonl";
  StatsFile stats(file, 0);
  stats.append(row(1));
  EXPECT_THAT(steps_in(file), ElementsAre(1)) << "there at once, not at the end";
  stats.append(row(50));
  EXPECT_THAT(steps_in(file), ElementsAre(1, 50));
  EXPECT_EQ(contents(file).find("\"schema\":1"), contents(file).rfind("\"schema\":1"));
}

TEST(StatsFile, GoesOnWithoutGapOrRepeat) {
  const TemporaryFolder folder;
  const auto file = folder / "stats.jsonl";
  std::string whole;
  for (const int64_t step : {1, 50, 100, 150}) whole += to_json_line(row(step), step == 1) + "\n";
  // The run may have been killed at any byte: all about the line ends, some between.
  for (size_t size = 0; size <= whole.size(); ++size) {
    const auto near = std::string_view(whole).substr(size > 0 ? size - 1 : 0, 3);
    if (size % 41 != 0 && near.find('\n') == std::string_view::npos) continue;
    write(file, whole.substr(0, size));
    const size_t complete = static_cast<size_t>(std::count(whole.begin(), whole.begin() + static_cast<int64_t>(size), '\n'));
    {
      StatsFile stats(file, 100);
      stats.append(row(150));
    }
    std::vector<int64_t> expected = {1, 50, 100};
    expected.resize(std::min<size_t>(complete, 3));
    expected.push_back(150);
    ASSERT_EQ(steps_in(file), expected) << size;
    ASSERT_THAT(contents(file), testing::StartsWith("{\"schema\":1,")) << size;
  }
  EXPECT_EQ(folder.files(), 1u);
}

TEST(StatsFile, LeavesAFileThatNeedsNoCut) {
  const TemporaryFolder folder;
  const auto file = folder / "stats.jsonl";
  cut_rows_after(file, 5);
  EXPECT_FALSE(std::filesystem::exists(file));
  write(file, to_json_line(row(1), true) + "\n");
  const auto before = std::filesystem::last_write_time(file);
  std::filesystem::last_write_time(file, before - std::chrono::hours(1));
  cut_rows_after(file, 1);
  EXPECT_EQ(std::filesystem::last_write_time(file), before - std::chrono::hours(1));
  write(file, to_json_line(row(1), true) + "\nnonsense\n[1]\n{\"step\":\"x\"}\n" + to_json_line(row(2), false) + "\n");
  cut_rows_after(file, 2);
  EXPECT_THAT(steps_in(file), ElementsAre(1, 2));
}

TEST(StatsFile, NamesWhatCannotBeWritten) {
  const TemporaryFolder folder;
  try {
    StatsFile(folder.path() / "none" / "stats.jsonl", 0);
    FAIL() << "opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::cannot_write);
    EXPECT_THAT(error.what(), HasSubstr("none/stats.jsonl"));
  }
}

TEST(Progress, TellsTheTimeLeft) {
  std::ostringstream out;
  std::chrono::steady_clock::time_point now{};
  Progress progress(out, 0, [&] { return now; });
  train::RunFacts facts;
  facts.last_step = 1000;
  progress.start(facts);
  now += std::chrono::seconds(100);  // a slow start, which says nothing about the steps
  progress.tick(row(1));
  now += std::chrono::seconds(99);
  progress.tick(row(100));
  EXPECT_EQ(out.str(),
            "step 1/1000 (0%)  loss D 1.250 G 0.750  D(real) 0.60 D(fake) 0.40  3200 img/s  step 20.0 ms, data wait 0.0, comm 0.0  left 20 s\n"
            "step 100/1000 (10%)  loss D 1.250 G 0.750  D(real) 0.60 D(fake) 0.40  3200 img/s  step 20.0 ms, data wait 0.0, comm 0.0  left 15 min 00 s\n");
}

TEST(Progress, RedrawsOnATerminalOnly) {
  for (const int columns : {0, 40}) {
    std::ostringstream out;
    Progress progress(out, columns);
    progress.start({});
    progress.tick(row(1));
    progress.tick(row(2));
    progress.finish();
    progress.finish();
    if (columns == 0) {
      EXPECT_THAT(out.str(), Not(HasSubstr("\r")));
      EXPECT_THAT(out.str(), Not(HasSubstr("\x1b")));
      EXPECT_EQ(std::ranges::count(out.str(), '\n'), 2);
    } else {
      const auto line = [&](int64_t step) { return "\r\x1b[K" + progress_line(row(step), 0, std::nullopt).substr(0, 39) + "\r"; };
      EXPECT_EQ(out.str(), line(1) + line(2) + "\n");
    }
  }
}

TEST(Progress, WritesDurations) {
  EXPECT_EQ(duration(0.4), "0 s");
  EXPECT_EQ(duration(59.6), "1 min 00 s");
  EXPECT_EQ(duration(192), "3 min 12 s");
  EXPECT_EQ(duration(7500), "2 h 05 min");
  EXPECT_EQ(duration(3 * 86400 + 4 * 3600), "3 d 04 h");
  EXPECT_EQ(duration(-5), "0 s");
}

TEST(RunReporter, FillsTheRunFolder) {
  const TemporaryFolder folder;
  train::RunFacts facts;
  facts.name = "mnist";
  facts.folder = folder.path();
  facts.last_step = 100;
  facts.seed = 7;
  facts.recipe_sha256 = "abc";
  std::filesystem::create_directory(folder / "samples");
  write(folder / "samples/.tmp-1-step-000001.png", "left by a killed run");
  std::ostringstream out;
  RunReporter reporter(&out, 0);
  reporter.on_start(facts);
  reporter.on_samples("reals", at::zeros({64, 1, 28, 28}), 0);
  reporter.on_statistics(row(1));
  reporter.on_statistics(row(100));
  reporter.on_samples("step-000100", at::rand({64, 3, 8, 8}), 100);
  reporter.on_finish(100);
  EXPECT_THAT(steps_in(folder / "stats.jsonl"), ElementsAre(1, 100));
  EXPECT_THAT(out.str(), HasSubstr("step 100/100 (100%)"));
  EXPECT_THAT(png_texts(contents(folder / "samples/step-000100.png")),
              ElementsAre(Pair("Software", "ganymede"), Pair("run", "mnist"), Pair("step", "100"), Pair("seed", "7"), Pair("recipe_sha256", "abc")));
  EXPECT_TRUE(std::filesystem::exists(folder / "samples/reals.png"));
  EXPECT_FALSE(std::filesystem::exists(folder / "samples/.tmp-1-step-000001.png"));
}

TEST(RunReporter, KeepsTheBoxOfPointsOverARestart) {
  const TemporaryFolder folder;
  train::RunFacts facts;
  facts.folder = folder.path();
  const auto box = [&](const std::string& name) { return png_texts(contents(folder / ("samples/" + name + ".png"))).back(); };
  {
    RunReporter reporter(nullptr, 0);
    reporter.on_start(facts);
    reporter.on_samples("reals", at::full({5, 2}, 2.0), 0);
    reporter.on_samples("step-000001", at::full({5, 2}, 50.0), 1);
  }
  RunReporter reporter(nullptr, 0);
  reporter.on_start(facts);
  reporter.on_samples("step-000002", at::full({5, 2}, 0.1), 2);
  for (const char* name : {"reals", "step-000001", "step-000002"}) EXPECT_THAT(box(name), Pair("box", "3"));
}

}  // namespace
}  // namespace ganymede::report
