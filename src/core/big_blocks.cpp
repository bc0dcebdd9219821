#include "core/big_blocks.hpp"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

#include "core/block_range.hpp"

namespace ganymede {
namespace {

constexpr size_t big_bytes = size_t{128} << 10;
constexpr size_t range_bytes = size_t{1} << 40;  // of addresses; memory is taken as it is touched

// LibTorch frees tensors through a plain function until the last moment of the process: the range lives as long.
BlockRange* range = nullptr;

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
  range = BlockRange::reserve(range_bytes).release();
  if (!range) return;
  static Blocks blocks;
  c10::SetCPUAllocator(&blocks);
#endif
}

}  // namespace ganymede
