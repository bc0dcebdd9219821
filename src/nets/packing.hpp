// Packing: the discriminator judges m samples at once, so a generator that repeats itself shows.
// Lin et al. 2018, "PacGAN: The Power of Two Samples in Generative Adversarial Networks".
// Packs are m consecutive samples of the global batch. Each belongs to the rank that holds its first sample; samples of it that lie
// on later ranks are gathered, and their gradients find the way back.
#pragma once
#include <vector>

#include "nets/batch_statistics.hpp"

namespace ganymede::nets {

/// [B,C,…] -> [packs of this rank, m·C,…], sample by sample; points [B,F] -> [packs, m·F]. Twice differentiable; m = 1: x itself.
/// starts: first row of each rank and their total (empty: one process). A rank may be left without a pack.
/// Throws Error(Fault::bug) where the global batch is no multiple of m. Collective where a pack straddles ranks, backward too.
at::Tensor pack(const at::Tensor& x, int64_t m, const std::vector<int64_t>& starts, BatchStatistics* statistics);
/// The same for what pack() makes: first pack of each rank and their total.
std::vector<int64_t> pack_starts(const std::vector<int64_t>& starts, int64_t m);

}  // namespace ganymede::nets
