// Blocks never share a byte, keep what is written into them, and leave no more memory behind than was ever in use.
#include "core/block_range.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

namespace ganymede {
namespace {

constexpr size_t mib = size_t{1} << 20;

TEST(BlockRange, BlocksAreApartAndKeepTheirContent) {
  const auto range = BlockRange::reserve(512 * mib);
  ASSERT_TRUE(range);
  const unsigned seed = std::random_device()();
  RecordProperty("seed", static_cast<int>(seed));
  std::mt19937 random(seed);
  struct Block {
    unsigned char* begin;
    size_t bytes;
    unsigned char mark;
  };
  std::vector<Block> blocks;
  const auto is_whole = [](const Block& b) {
    for (size_t i = 0; i < b.bytes; i += 509)
      if (b.begin[i] != b.mark) return false;
    return b.begin[b.bytes - 1] == b.mark;
  };
  for (int trial = 0; trial < 3000; ++trial) {
    const bool takes = blocks.empty() || (blocks.size() < 24 && random() % 2);
    if (takes) {
      const size_t bytes = random() % 3 ? 1 + random() % (5 * mib) : 2 * mib * (1 + random() % 4);
      auto* begin = static_cast<unsigned char*>(range->take(bytes));
      ASSERT_NE(begin, nullptr) << "seed " << seed;
      ASSERT_TRUE(range->holds(begin) && range->holds(begin + bytes - 1));
      const Block block{begin, bytes, static_cast<unsigned char>(trial)};
      for (const auto& other : blocks) ASSERT_TRUE(begin + bytes <= other.begin || other.begin + other.bytes <= begin) << "seed " << seed;
      for (size_t i = 0; i < bytes; i += 509) begin[i] = block.mark;
      begin[bytes - 1] = block.mark;
      blocks.push_back(block);
    } else {
      std::swap(blocks[random() % blocks.size()], blocks.back());
      ASSERT_TRUE(is_whole(blocks.back())) << "seed " << seed;
      range->give_back(blocks.back().begin);
      blocks.pop_back();
    }
    const auto pages = range->pages();
    ASSERT_LE(pages.in_use, pages.present) << "seed " << seed;
    ASSERT_LE(pages.present, pages.most_in_use) << "seed " << seed;
  }
  for (const auto& block : blocks) EXPECT_TRUE(is_whole(block)) << "seed " << seed;
}

TEST(BlockRange, HolesAreUsedAgainAndNeighboursJoin) {
  const auto range = BlockRange::reserve(64 * mib);
  void *a = range->take(3 * mib), *b = range->take(mib), *c = range->take(3 * mib);
  range->give_back(a);
  EXPECT_EQ(range->take(mib), a);
  EXPECT_EQ(range->take(2 * mib - 4096), static_cast<char*>(a) + mib);
  range->give_back(a);
  range->give_back(static_cast<char*>(a) + mib);
  range->give_back(b);
  EXPECT_EQ(range->take(4 * mib), a) << "all three holes are one";
  range->give_back(c);
  EXPECT_EQ(range->take(8 * mib), static_cast<char*>(a) + 4 * mib) << "the end's hole is part of a larger block";
}

TEST(BlockRange, WholePagesOfItsOwnForBlocksOfWholePages) {
  const auto range = BlockRange::reserve(64 * mib);
  void* small = range->take(4096);
  auto* big = static_cast<char*>(range->take(4 * mib));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(big) % (2 * mib), 0u);
  EXPECT_EQ(range->pages().in_use, 3u);
  range->give_back(small);
  range->give_back(big);
  EXPECT_EQ(range->pages().in_use, 0u);
  EXPECT_EQ(range->pages().present, 3u) << "kept for the next step";
  EXPECT_EQ(range->take(128 * mib), nullptr);
}

// 2 and 8 MiB in turn: the memory of the free ones pays for what moves to the end of the range.
TEST(BlockRange, GivesIdlePagesBackBeforeItNeedsMore) {
  const auto range = BlockRange::reserve(256 * mib);
  void *a = range->take(8 * mib), *b = range->take(2 * mib), *c = range->take(8 * mib), *d = range->take(2 * mib);
  for (void* p : {a, c}) std::memset(p, 1, 8 * mib);
  range->give_back(a);
  range->give_back(c);
  void* wide = range->take(16 * mib);
  EXPECT_GT(wide, d);
  EXPECT_EQ(range->pages().present, 10u);
  EXPECT_EQ(static_cast<unsigned char*>(range->take(8 * mib))[0], 0) << "its memory went back to the system and comes cleared";
  (void)b;
}

}  // namespace
}  // namespace ganymede
