#include "report/metrics_file.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "core/error.hpp"
#include "report/temporary_folder.hpp"

namespace ganymede::report {
namespace {

TEST(MetricsFile, GrowsByWholeLines) {
  const TemporaryFolder folder;
  const auto file = folder / "metrics.jsonl";
  append_metrics(file, {{50, "tv", 0.25, "samples=1000"}, {50, "kl", std::numeric_limits<double>::quiet_NaN(), "p"}});
  append_metrics(file, {{60, "tv", 1, "say \"x\""}});
  EXPECT_EQ(contents(file),
            "{\"step\":50,\"metric\":\"tv\",\"value\":0.25,\"protocol\":\"samples=1000\"}\n"
            "{\"step\":50,\"metric\":\"kl\",\"value\":null,\"protocol\":\"p\"}\n"
            "{\"step\":60,\"metric\":\"tv\",\"value\":1.0,\"protocol\":\"say \\\"x\\\"\"}\n");
}

TEST(MetricsFile, LeavesATornLineAlone) {
  const TemporaryFolder folder;
  const auto file = folder / "metrics.jsonl";
  write(file, "{\"step\":1,\"met");
  append_metrics(file, {{2, "tv", 0.5, "p"}});
  EXPECT_EQ(contents(file), "{\"step\":1,\"met\n{\"step\":2,\"metric\":\"tv\",\"value\":0.5,\"protocol\":\"p\"}\n");
}

TEST(MetricsFile, NamesWhatCannotBeWritten) {
  const TemporaryFolder folder;
  try {
    append_metrics(folder.path() / "no" / "metrics.jsonl", {{1, "tv", 0, "p"}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::cannot_write);
  }
}

}  // namespace
}  // namespace ganymede::report
