// Which device a rank gets, for jobs that this host is not.
#include "comm/device.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comm/solo.hpp"
#include "core/error.hpp"

namespace ganymede::comm {
namespace {

using ::testing::HasSubstr;

const VisibleGpus none{0, "no driver"};

/// Two hosts with two ranks each.
std::vector<RankGpus> job(VisibleGpus on_a, VisibleGpus on_b) {
  return {{"a", 2, 0, on_a}, {"a", 2, 1, on_a}, {"b", 2, 0, on_b}, {"b", 2, 1, on_b}};
}

std::string refusal(DeviceRequest request, const std::vector<RankGpus>& ranks) {
  std::string first;
  for (int own = 0; own < static_cast<int>(ranks.size()); ++own) {
    try {
      chosen_device(request, ranks, own);
      ADD_FAILURE() << "rank " << own << " was given a device";
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 69);
      if (own == 0) first = error.what();
      EXPECT_EQ(first, error.what());  // all ranks say the same
    }
  }
  return first;
}

TEST(Device, PlaceOnTheHostNamesTheGpu) {
  for (const auto request : {DeviceRequest::automatic, DeviceRequest::cuda})
    for (int own = 0; own < 4; ++own) EXPECT_EQ(chosen_device(request, job({2, ""}, {4, ""}), own), c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(own % 2)));
  EXPECT_TRUE(chosen_device(DeviceRequest::cpu, job({2, ""}, none), 0).is_cpu());
  EXPECT_TRUE(chosen_device(DeviceRequest::automatic, job(none, none), 3).is_cpu());
}

TEST(Device, RefusalsNameTheHost) {
  EXPECT_THAT(refusal(DeviceRequest::cuda, job({2, ""}, none)), HasSubstr("host b has no GPU that can be used\n  cause: no driver"));
  EXPECT_THAT(refusal(DeviceRequest::automatic, job({2, ""}, none)), HasSubstr("host a has GPUs and host b has none"));
  EXPECT_THAT(refusal(DeviceRequest::cuda, job({2, ""}, {1, ""})), HasSubstr("host b has 2 ranks and 1 GPUs"));
}

TEST(Device, OnThisHost) {
  const auto alone = solo();
  const auto visible = visible_gpus();
  EXPECT_EQ(visible.count == 0, !visible.why_none.empty());
  EXPECT_EQ(choose_device(DeviceRequest::automatic, *alone, Deadline::in(std::chrono::seconds(10))).is_cpu(), visible.count == 0);
}

}  // namespace
}  // namespace ganymede::comm
