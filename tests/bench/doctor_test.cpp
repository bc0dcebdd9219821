#include "bench/doctor.hpp"

#include <gmock/gmock.h>

#include <future>

#include "comm/thread_ranks.hpp"

namespace ganymede::bench {
namespace {

using Kind = Finding::Kind;

/// Four healthy ranks on two hosts.
Examination healthy() {
  Examination e;
  e.folder = "/runs";
  for (int r = 0; r < 4; ++r) {
    HostFacts facts;
    facts.host = r < 2 ? "node1" : "node2", facts.cores = {r % 2}, facts.processor = "Some CPU", facts.capability = "AVX512", facts.features = {"avx2", "avx512f"};
    facts.program = "ganymede 1", facts.program_sha256 = "aa", facts.libraries = {{"LibTorch", "2.13"}};
    facts.limits = {{"open files", 4096}, {"address space", -1}};
    facts.shared_memory_bytes = facts.shared_memory_free_bytes = int64_t{8} << 30, facts.gpus = "not built with CUDA";
    e.ranks.push_back(facts);
    e.products.push_back({100.0 + r, "hash", true});
    e.clocks.push_back({0.01 * r, 0.02});
    DiskReading disk;
    disk.free_bytes = int64_t{1} << 40;
    if (r % 2 == 0) disk.write_mib_per_s = 500, disk.fsync_ms = 1;
    e.disks.push_back(disk);
    for (int other = 0; other < r; ++other) e.pairs.push_back({other, r, (other < 2) == (r < 2) ? 5.0 : 1.0, 10.0});
  }
  e.all_reduces = {{8, 30.0, 0.0}};
  return e;
}

std::vector<Finding> bad(const Examination& e) {
  auto findings = judge(e);
  std::erase_if(findings, [](const Finding& f) { return f.kind == Kind::fine; });
  return findings;
}

/// The one finding that is not fine.
Finding only_bad(const Examination& e) {
  const auto findings = bad(e);
  EXPECT_EQ(findings.size(), 1u);
  for (const auto& f : findings) SCOPED_TRACE(f.text);
  return findings.empty() ? Finding{} : findings.front();
}

void expect(const Finding& finding, Kind kind, const std::string& check, std::initializer_list<const char*> words) {
  EXPECT_EQ(finding.kind, kind) << finding.text;
  EXPECT_EQ(finding.check, check) << finding.text;
  for (const char* word : words) EXPECT_THAT(finding.text, testing::HasSubstr(word));
}

}  // namespace

TEST(Doctor, FindsNothingWrongWithHealthyRanks) {
  EXPECT_THAT(bad(healthy()), testing::IsEmpty());
  EXPECT_EQ(exit_code_of(judge(healthy())), 0);
}

TEST(Doctor, NamesProgramsAndLibrariesThatDiffer) {
  auto e = healthy();
  e.ranks[3].program_sha256 = "bb";
  expect(only_bad(e), Kind::failure, "versions", {"rank 0 on node1", "aa", "rank 3 on node2", "bb"});
  EXPECT_EQ(exit_code_of(judge(e)), 69);
  e = healthy();
  e.ranks[1].libraries["LibTorch"] = "2.4";
  expect(only_bad(e), Kind::failure, "versions", {"LibTorch 2.13", "rank 1 on node1", "LibTorch 2.4"});
}

TEST(Doctor, NamesAMixedSetOfProcessors) {
  auto e = healthy();
  for (const int r : {2, 3}) e.ranks[r].features = {"amx_tile", "avx2"}, e.ranks[r].processor = "Other CPU";
  const auto findings = bad(e);
  ASSERT_EQ(findings.size(), 2u);
  expect(findings[0], Kind::warning, "processors", {"mixed set", "rank 2 on node2", "Other CPU", "lacks [avx512f]", "has [amx_tile]"});
  EXPECT_EQ(exit_code_of(judge(e)), 0) << "as long as the bits are the same";
  e.products[2].sha256 = "other";
  EXPECT_EQ(exit_code_of(judge(e)), 69);
}

TEST(Doctor, NamesTheRankWhoseProductsAreOff) {
  auto e = healthy();
  e.products[1].sha256 = "other";
  expect(only_bad(e), Kind::failure, "products", {"rank 1 on node1", "other bits", "rank 0 on node1"});
  e = healthy();
  e.products[2].repeats = false;
  expect(only_bad(e), Kind::failure, "products", {"rank 2 on node2", "again"});
}

TEST(Doctor, NamesASlowHost) {
  auto e = healthy();
  e.products[2].gflop_per_s = e.products[3].gflop_per_s = 60;
  expect(only_bad(e), Kind::warning, "speed", {"node2 is slow", "60.0", "node1 has 100.5"});
}

TEST(Doctor, NamesASlowLink) {
  auto e = healthy();
  for (auto& pair : e.pairs)
    if (pair.a == 1 && pair.b == 3) pair.gb_per_s = 0.2;
  expect(only_bad(e), Kind::warning, "links", {"rank 1 on node1 and rank 3 on node2", "0.20", "between hosts"});
}

TEST(Doctor, NamesAClockThatIsOff) {
  auto e = healthy();
  e.clocks[3] = {-2000, 1};
  expect(only_bad(e), Kind::warning, "clocks", {"rank 3 on node2", "-2000 ms"});
}

TEST(Doctor, NamesAFolderThatCannotBeUsed) {
  auto e = healthy();
  e.disks[2].failure = "cannot make it";
  const auto finding = only_bad(e);
  expect(finding, Kind::failure, "disk", {"rank 2 on node2", "cannot make it"});
  EXPECT_EQ(exit_code_of(judge(e)), 73);
}

TEST(Doctor, WarnsOfWhatWillRunOut) {
  auto e = healthy();
  e.ranks[0].limits["open files"] = 256;
  e.ranks[2].shared_memory_free_bytes = 64 << 20;
  e.disks[0].free_bytes = 1 << 20;
  std::vector<std::string> texts;
  for (const auto& finding : bad(e)) texts.push_back(finding.check + ": " + finding.text);
  EXPECT_THAT(texts, testing::UnorderedElementsAre(testing::HasSubstr("limits: node1: at most 256 open files"), testing::HasSubstr("limits: node2: 64 MiB free in /dev/shm"),
                                                    testing::HasSubstr("disk: /runs has only 1 MiB")));
}

TEST(Doctor, WarnsOfThreadsWithoutCoresAndRefusesUnequalOnes) {
  auto e = healthy();
  for (auto& facts : e.ranks) facts.threads = 2;
  EXPECT_EQ(bad(e).size(), 2u) << "a warning for each host";
  e = healthy();
  e.ranks[2].threads = 2, e.ranks[2].cores = {0, 1, 2};
  expect(only_bad(e), Kind::failure, "threads", {"rank 0 on node1 computes with 1", "rank 2 on node2 with 2"});
}

TEST(Doctor, ARankThatDoesNotAnswerEndsItWithAName) {
  const auto folder = std::filesystem::temp_directory_path();
  std::promise<void> over;
  comm::run_thread_ranks(2, [&](comm::Communicator& communicator) {
    if (communicator.rank() == 1) {
      over.get_future().wait_for(std::chrono::seconds(60));
      return;
    }
    try {
      examine(folder, communicator, 0.2);
      ADD_FAILURE() << "it ended without rank 1";
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::peer) << error.what();
      EXPECT_THAT(error.what(), testing::HasSubstr("rank 1"));
    }
    over.set_value();
  });
}

TEST(Doctor, ExaminesRanksOfThisMachine) {
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("ganymede-doctor-{}", getpid());
  comm::run_thread_ranks(2, [&](comm::Communicator& communicator) {
    const auto e = examine(folder, communicator, 60.0);
    ASSERT_EQ(e.ranks.size(), 2u);
    EXPECT_EQ(e.products[0].sha256, e.products[1].sha256);
    EXPECT_TRUE(e.products[0].repeats);
    EXPECT_GT(e.products[1].gflop_per_s, 0);
    EXPECT_EQ(e.disks[0].failure, "");
    EXPECT_GT(e.disks[0].write_mib_per_s, 0);
    EXPECT_EQ(e.pairs.size(), 1u);
    EXPECT_EQ(e.all_reduces.size(), 3u);
    EXPECT_EQ(exit_code_of(judge(e)), 0);
  });
  EXPECT_FALSE(std::filesystem::exists(folder)) << "what was not there before is not there after";
}

}  // namespace ganymede::bench
