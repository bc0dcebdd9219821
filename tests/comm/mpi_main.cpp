// The main of every test that mpirun starts. All ranks run the same tests in the same order; rank 0 prints, other ranks print
// only what fails. If a test fails on any rank, all ranks leave with 1.
#include <gtest/gtest.h>

#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>

#include <chrono>
#include <cstdio>
#include <memory>

#include "comm/mpi_communicator.hpp"
#include "comm/mpi_test.hpp"
#include "core/log.hpp"

namespace {

using namespace std::chrono_literals;
std::unique_ptr<ganymede::comm::Communicator> world;

/// On ranks other than 0: failures only.
class FailurePrinter final : public testing::EmptyTestEventListener {
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    std::printf("rank %d: %s.%s: %s:%d\n%s\n", world->rank(), test ? test->test_suite_name() : "", test ? test->name() : "",
                result.file_name() ? result.file_name() : "", result.line_number(), result.summary());
  }
};

/// After each test the ranks meet, so that a test which ends differently on one rank fails here and not in a later one.
class Meeting final : public testing::EmptyTestEventListener {
  void OnTestEnd(const testing::TestInfo& test) override { world->barrier(std::string("end of ") + test.name(), ganymede::Deadline::in(60s)); }
};

int run() {
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  if (world->rank() != 0) {
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailurePrinter());
  }
  listeners.Append(new Meeting());
  const bool has_failed = RUN_ALL_TESTS() != 0;
  at::Tensor failures = at::tensor({static_cast<int64_t>(has_failed)});
  world->all_reduce_sum(failures, "failed ranks", ganymede::Deadline::in(60s));
  world->shut_down(ganymede::Deadline::in(30s));
  return failures.item<int64_t>() == 0 ? 0 : 1;
}

}  // namespace

ganymede::comm::Communicator& ganymede::test::comm() { return *world; }

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  try {
    world = ganymede::comm::connect_mpi(ganymede::Deadline::in(30s));
    ganymede::log::set_rank(world->rank(), world->size());
    return run();
  } catch (const ganymede::comm::PeerError& error) {
    return error.exit_code();
  } catch (const ganymede::Error& error) {
    ganymede::log::error("{}", error.what());
    if (world) world->relay_failure(error);
    return error.exit_code();
  }
}
