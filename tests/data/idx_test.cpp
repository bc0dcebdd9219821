#include "data/idx.hpp"

#include <gtest/gtest.h>

#include "data/data_sets.hpp"
#include "storage/expect_fault.hpp"
#include "storage/temporary_folder.hpp"

namespace ganymede::data {
namespace {

std::vector<uint8_t> read_all(const std::filesystem::path& path, uint32_t magic) {
  IdxFile file(path, magic);
  std::vector<uint8_t> bytes(static_cast<size_t>(file.count() * file.height() * file.width()));
  file.read(bytes.data(), 1);  // in two goes
  file.read(bytes.data() + file.height() * file.width(), file.count() - 1);
  file.expect_end();
  return bytes;
}

TEST(IdxFile, PlainAndGzippedAreEqual) {
  const storage::TemporaryFolder folder;
  std::string pixels;
  for (int i = 0; i < 3 * 4 * 5; ++i) pixels += static_cast<char>(i * 7);
  const auto bytes = idx_header(2051, {3, 4, 5}) + pixels;
  write_bytes(folder / "plain", bytes);
  write_gzip(folder / "packed.gz", bytes);
  IdxFile file(folder / "plain", IdxFile::images_magic);
  EXPECT_EQ(file.count(), 3);
  EXPECT_EQ(file.height(), 4);
  EXPECT_EQ(file.width(), 5);
  const std::vector<uint8_t> expected(pixels.begin(), pixels.end());
  EXPECT_EQ(read_all(folder / "plain", 2051), expected);
  EXPECT_EQ(read_all(folder / "packed.gz", 2051), expected);
  write_gzip(folder / "labels.gz", idx_header(2049, {4}) + "abcd");
  EXPECT_EQ(read_all(folder / "labels.gz", 2049), (std::vector<uint8_t>{'a', 'b', 'c', 'd'}));
}

TEST(IdxFile, RefusesWhatIsNotWhole) {
  const storage::TemporaryFolder folder;
  const auto refuse = [&](const std::string& bytes, const std::string& word) {
    write_bytes(folder / "plain-file", bytes);
    expect_fault(Fault::bad_data, {"plain-file", word, "remedy"}, [&] { read_all(folder / "plain-file", 2051); });
    write_gzip(folder / "packed-file.gz", bytes);
    expect_fault(Fault::bad_data, {"packed-file", word, "remedy"}, [&] { read_all(folder / "packed-file.gz", 2051); });
  };
  refuse("", "header");
  refuse(idx_header(2051, {3, 4}), "header");
  refuse(idx_header(2049, {3}) + "abc", "2049");
  refuse("\x1f\x8b not gzip at all", "");
  refuse(idx_header(2051, {2, 2, 2}) + "abcdefg", "promises");
  refuse(idx_header(2051, {2, 2, 2}) + "abcdefghi", "more bytes");
  refuse(idx_header(2051, {0, 2, 2}), "0 items");
  refuse(idx_header(2051, {2, 0, 2}), "x 2");
  refuse(idx_header(2051, {2, 100'000, 2}), "100000");
  expect_fault(Fault::bad_data, {"absent", "does not exist"}, [&] { IdxFile(folder / "absent", 2051); });
  expect_fault(Fault::bad_data, {"directory"}, [&] { IdxFile(folder.path(), 2051); });
}

TEST(IdxFile, AGzipCutAnywhereIsBadData) {
  const storage::TemporaryFolder folder;
  std::string bytes = idx_header(2051, {20, 4, 5});
  for (int i = 0; i < 20 * 4 * 5; ++i) bytes += static_cast<char>(i * i);
  write_gzip(folder / "whole.gz", bytes);
  const auto whole = read_bytes(folder / "whole.gz");
  for (size_t length = 0; length < whole.size(); ++length) {
    write_bytes(folder / "cut.gz", whole.substr(0, length));
    expect_fault(Fault::bad_data, {"cut.gz"}, [&] { read_all(folder / "cut.gz", 2051); });
  }
  auto turned = whole;
  turned[turned.size() - 6] ^= 1;  // the checksum
  write_bytes(folder / "turned.gz", turned);
  expect_fault(Fault::bad_data, {"turned.gz"}, [&] { read_all(folder / "turned.gz", 2051); });
}

}  // namespace
}  // namespace ganymede::data
