// Where LibTorch's big tensors lie on the CPU. Every step takes and returns the same large blocks. From glibc they either come fresh
// from the system each time, which must clear them first (DCGAN-64: 674 ms a step instead of 488), or they share its heap with small
// blocks, whose holes cost a quarter of the peak. Here they have a range of addresses of their own (block_range.hpp).
#pragma once

namespace ganymede {

/// From now on tensors of 128 KiB and more lie in the range. Call once, before the first tensor. Does nothing under a sanitizer, which
/// is to see every block, and where the range cannot be reserved.
void keep_big_blocks_apart();

}  // namespace ganymede
