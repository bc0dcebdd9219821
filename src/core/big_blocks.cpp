#include "core/big_blocks.hpp"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <sys/mman.h>

#include <cstdint>
#include <map>
#include <mutex>

namespace ganymede {
namespace {

constexpr size_t big_bytes = size_t{128} << 10;
constexpr size_t page_bytes = 4096;
constexpr size_t huge_page_bytes = size_t{2} << 20;
constexpr size_t range_bytes = size_t{1} << 40;  // of addresses; memory is taken as it is touched

class Range {
 public:
  explicit Range(char* begin) : begin_(begin) {}

  bool holds(const void* p) const { return p >= begin_ && p < begin_ + range_bytes; }

  /// nullptr when the range is used up.
  void* take(size_t bytes) {
    bytes = (bytes + page_bytes - 1) / page_bytes * page_bytes;
    std::lock_guard lock(mutex_);
    auto fit = free_.begin();
    while (fit != free_.end() && fit->second < bytes) ++fit;
    if (fit == free_.end()) {  // grow: what is free at the end is part of the new block
      size_t start = end_;
      if (!free_.empty() && free_.rbegin()->first + free_.rbegin()->second == end_) {
        start = free_.rbegin()->first;
        free_.erase(start);
      }
      if (start + bytes > range_bytes) return nullptr;
      end_ = start + bytes;
      taken_[start] = bytes;
      return begin_ + start;
    }
    const size_t start = fit->first, rest = fit->second - bytes;
    free_.erase(fit);
    if (rest > 0) free_[start + bytes] = rest;
    taken_[start] = bytes;
    return begin_ + start;
  }

  void give_back(void* p) {
    std::lock_guard lock(mutex_);
    const auto block = taken_.find(static_cast<size_t>(static_cast<char*>(p) - begin_));
    size_t start = block->first, bytes = block->second;
    taken_.erase(block);
    auto after = free_.lower_bound(start);
    if (after != free_.end() && start + bytes == after->first) {
      bytes += after->second;
      after = free_.erase(after);
    }
    if (after != free_.begin()) {
      const auto before = std::prev(after);
      if (before->first + before->second == start) {
        before->second += bytes;
        return;
      }
    }
    free_[start] = bytes;
  }

 private:
  char* const begin_;
  std::mutex mutex_;                   // guards all below
  std::map<size_t, size_t> free_;      // offset -> bytes; neighbours are joined
  std::map<size_t, size_t> taken_;
  size_t end_ = 0;
};

// LibTorch frees tensors through a plain function until the last moment of the process: the range lives as long.
Range* range = nullptr;

void give_back(void* p) {
  if (range->holds(p))
    range->give_back(p);
  else
    c10::free_cpu(p);
}

class Blocks final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* p = bytes >= big_bytes ? range->take(bytes) : nullptr;
    if (!p) p = c10::alloc_cpu(bytes);
    return {p, p, &give_back, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { default_copy_data(to, from, bytes); }
};

}  // namespace

void keep_big_blocks_apart() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  void* const found = mmap(nullptr, range_bytes + huge_page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (found == MAP_FAILED) return;
  madvise(found, range_bytes, MADV_HUGEPAGE);
  const auto address = (reinterpret_cast<uintptr_t>(found) + huge_page_bytes - 1) / huge_page_bytes * huge_page_bytes;
  range = new Range(reinterpret_cast<char*>(address));
  static Blocks blocks;
  c10::SetCPUAllocator(&blocks);
#endif
}

}  // namespace ganymede
