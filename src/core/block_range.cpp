#include "core/block_range.hpp"

#include <sys/mman.h>

#include <algorithm>

namespace ganymede {
namespace {

constexpr size_t small_page_bytes = 4096;
constexpr size_t page_bytes = size_t{2} << 20;
constexpr size_t no_place = SIZE_MAX;

size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

// Blocks of whole pages begin at one, so that they share none with another.
size_t first_start(size_t offset, size_t bytes) { return bytes % page_bytes == 0 ? round_up(offset, page_bytes) : offset; }

}  // namespace

std::unique_ptr<BlockRange> BlockRange::reserve(size_t bytes) {
  const size_t reserved = bytes + page_bytes;
  void* const found = mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (found == MAP_FAILED) return nullptr;
  madvise(found, reserved, MADV_HUGEPAGE);
  const auto begin = round_up(reinterpret_cast<uintptr_t>(found), page_bytes);
  return std::unique_ptr<BlockRange>(new BlockRange(found, reserved, reinterpret_cast<char*>(begin), bytes));
}

BlockRange::~BlockRange() { munmap(reserved_, reserved_bytes_); }

void* BlockRange::take(size_t bytes) {
  bytes = round_up(std::max<size_t>(bytes, 1), small_page_bytes);
  const std::lock_guard lock(mutex_);
  const size_t start = find_place(bytes);
  if (start == no_place) return nullptr;
  taken_[start] = bytes;
  enter(start, bytes);
  return begin_ + start;
}

void BlockRange::give_back(void* block) {
  const std::lock_guard lock(mutex_);
  const auto found = taken_.find(static_cast<size_t>(static_cast<char*>(block) - begin_));
  const auto [offset, bytes] = *found;
  taken_.erase(found);
  leave(offset, bytes);
  add_free(offset, bytes);
}

BlockRange::Pages BlockRange::pages() const {
  const std::lock_guard lock(mutex_);
  return pages_;
}

size_t BlockRange::find_place(size_t bytes) {
  for (auto block = free_.begin(); block != free_.end(); ++block) {
    const auto [offset, free_bytes] = *block;
    const size_t start = first_start(offset, bytes), end = offset + free_bytes;
    if (start + bytes > end) continue;
    free_.erase(block);
    if (start > offset) free_[offset] = start - offset;
    if (start + bytes < end) free_[start + bytes] = end - start - bytes;
    return start;
  }
  // Grow: what is free at the end becomes part of the new block.
  size_t offset = end_;
  if (!free_.empty() && free_.rbegin()->first + free_.rbegin()->second == end_) offset = free_.rbegin()->first;
  const size_t start = first_start(offset, bytes);
  if (start + bytes > bytes_) return no_place;
  free_.erase(offset);
  if (start > offset) free_[offset] = start - offset;
  end_ = start + bytes;
  table_.resize(round_up(end_, page_bytes) / page_bytes);
  return start;
}

void BlockRange::add_free(size_t offset, size_t bytes) {
  const auto after = free_.find(offset + bytes);
  if (after != free_.end()) {
    bytes += after->second;
    free_.erase(after);
  }
  const auto next = free_.lower_bound(offset);
  if (next != free_.begin() && std::prev(next)->first + std::prev(next)->second == offset)
    std::prev(next)->second += bytes;
  else
    free_[offset] = bytes;
}

void BlockRange::enter(size_t offset, size_t bytes) {
  for (size_t p = offset / page_bytes; p * page_bytes < offset + bytes; ++p) {
    if (table_[p].blocks++ == 0) ++pages_.in_use;
    if (!std::exchange(table_[p].is_present, true)) ++pages_.present;
  }
  pages_.most_in_use = std::max(pages_.most_in_use, pages_.in_use);
  if (pages_.present > pages_.most_in_use) release_idle_pages();
}

void BlockRange::leave(size_t offset, size_t bytes) {
  for (size_t p = offset / page_bytes; p * page_bytes < offset + bytes; ++p)
    if (--table_[p].blocks == 0) --pages_.in_use;
}

// From the far end, which first fit takes last.
void BlockRange::release_idle_pages() {
  for (size_t p = table_.size(); p-- > 0 && pages_.present > pages_.most_in_use;) {
    if (!table_[p].is_present || table_[p].blocks > 0) continue;
    madvise(begin_ + p * page_bytes, page_bytes, MADV_DONTNEED);
    table_[p].is_present = false;
    --pages_.present;
  }
}

}  // namespace ganymede
