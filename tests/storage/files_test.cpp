#include "storage/files.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "storage/expect_fault.hpp"
#include "storage/sha256.hpp"
#include "storage/temporary_folder.hpp"

namespace ganymede::storage {
namespace {

namespace fs = std::filesystem;

void write_plainly(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

int64_t entries(const fs::path& folder) { return std::distance(fs::directory_iterator(folder), fs::directory_iterator()); }

TEST(Sha256, KnowsThePublishedVectors) {
  // FIPS 180-2, appendix B.
  EXPECT_EQ(sha256_text("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_text(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const TemporaryFolder folder;
  write_plainly(folder / "million", std::string(1'000'000, 'a'));
  EXPECT_EQ(sha256_file(folder / "million"), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  write_plainly(folder / "large", std::string((1 << 20) + 1, 'x'));
  EXPECT_EQ(sha256_file(folder / "large"), sha256_text(std::string((1 << 20) + 1, 'x')));
  expect_fault(Fault::bad_data, {"nowhere", "does not exist"}, [&] { sha256_file(folder / "nowhere"); });
}

TEST(Files, ReadTextHasALimit) {
  const TemporaryFolder folder;
  write_plainly(folder / "text", "12345");
  EXPECT_EQ(read_text(folder / "text", 5), "12345");
  expect_fault(Fault::bad_data, {"text", "4 bytes"}, [&] { read_text(folder / "text", 4); });
  expect_fault(Fault::bad_data, {"does not exist"}, [&] { read_text(folder / "none", 4); });
  expect_fault(Fault::bad_data, {"directory"}, [&] { read_text(folder.path(), 4); });
}

TEST(Files, AtomicWriteReplacesAndLeavesNothingElse) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "LATEST", "step-000001\n");
  write_file_atomically(folder / "LATEST", "step-000002\n");
  EXPECT_EQ(read_text(folder / "LATEST", 100), "step-000002\n");
  EXPECT_EQ(entries(folder.path()), 1);
  expect_fault(Fault::cannot_write, {"absent"}, [&] { write_file_atomically(folder / "absent" / "file", "x"); });
  fs::create_directory(folder / "taken");
  write_plainly(folder / "taken" / "x", "x");
  expect_fault(Fault::cannot_write, {"taken"}, [&] { write_file_atomically(folder / "taken", "x"); });
  EXPECT_EQ(entries(folder.path()), 2);
}

TEST(Files, SpaceThatIsNotThereIsFound) {
  const TemporaryFolder folder;
  check_space(folder.path(), 1 << 16);
  const auto too_much = static_cast<int64_t>(fs::space(folder.path()).capacity) * 2;
  EXPECT_THROW(check_space(folder.path(), too_much), Error);
  EXPECT_EQ(entries(folder.path()), 0);
}

TEST(Files, ErrorNumbersBecomeFaults) {
  for (const int number : {EACCES, EROFS, EEXIST, ENOTEMPTY, ENOSPC, EDQUOT}) EXPECT_EQ(write_error(number, "write", "f").exit_code(), 73) << number;
  for (const int number : {EIO, ESTALE, ENXIO}) EXPECT_EQ(write_error(number, "write", "f").exit_code(), 74) << number;
  for (const int number : {ENOENT, EACCES, EISDIR}) EXPECT_EQ(read_error(number, "f").exit_code(), 65) << number;
  EXPECT_EQ(read_error(EIO, "f").exit_code(), 74);
}

TEST(PendingFolder, AppearsWholeOrNotAtAll) {
  const TemporaryFolder folder;
  {
    PendingFolder pending(folder / "a" / "out");
    write_plainly(pending.path() / "file", "x");
    EXPECT_FALSE(fs::exists(folder / "a" / "out"));
  }
  EXPECT_EQ(entries(folder / "a"), 0);
  fs::create_directory(folder / "a" / "out");  // an empty folder may be in its place
  {
    PendingFolder pending(folder / "a" / "out" / "");
    fs::create_directory(pending.path() / "sub");
    write_plainly(pending.path() / "sub" / "file", "x");
    pending.commit();
  }
  EXPECT_EQ(read_text(folder / "a" / "out" / "sub" / "file", 10), "x");
  EXPECT_EQ(entries(folder / "a"), 1);
}

TEST(PendingFolder, RefusesWhatIsInTheWay) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "out");
  write_plainly(folder / "out" / "mine", "x");
  expect_fault(Fault::cannot_write, {"out", "already"}, [&] { PendingFolder pending(folder / "out"); });
  write_plainly(folder / "file", "x");
  expect_fault(Fault::cannot_write, {"file"}, [&] { PendingFolder pending(folder / "file"); });
  expect_fault(Fault::cannot_write, {"file"}, [&] { PendingFolder pending(folder / "file" / "below"); });
  // In the way only at the end: what was there stays, what was pending goes.
  {
    PendingFolder pending(folder / "late");
    fs::create_directory(folder / "late");
    write_plainly(folder / "late" / "mine", "x");
    expect_fault(Fault::cannot_write, {"late"}, [&] { pending.commit(); });
  }
  EXPECT_EQ(read_text(folder / "late" / "mine", 10), "x");
  EXPECT_EQ(entries(folder.path()), 3);
}

TEST(PendingFolder, StaleOnesGoLivingOnesStay) {
  const TemporaryFolder folder;
  fs::create_directory(folder / ".tmp-out-0123abcd");
  write_plainly(folder / ".tmp-out-0123abcd" / "x", "x");
  write_plainly(folder / ".tmp-LATEST-0123abcd", "x");
  fs::create_directory(folder / ".tmp-out-32-0123abcd");
  write_plainly(folder / "kept", "x");
  PendingFolder living(folder / "out");
  remove_stale_pending(folder.path(), "out");
  EXPECT_FALSE(fs::exists(folder / ".tmp-out-0123abcd"));
  EXPECT_TRUE(fs::exists(folder / ".tmp-out-32-0123abcd"));
  EXPECT_TRUE(fs::exists(living.path()));
  remove_stale_pending(folder.path());
  EXPECT_TRUE(fs::exists(living.path()));
  EXPECT_TRUE(fs::exists(folder / "kept"));
  EXPECT_EQ(entries(folder.path()), 2);
  remove_stale_pending(folder / "nowhere");
}

}  // namespace
}  // namespace ganymede::storage
