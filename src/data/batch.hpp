// One rank's share of a step's real samples.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "data/manifest.hpp"

namespace ganymede::data {

struct Batch {
  at::Tensor samples;         // as stored, in batch order: uint8 [n,H,W,C] or [n,T,H,W,C], float32 [n,F] (points)
  at::Tensor labels;          // int32 [n], or uint8 [n,A]; undefined where there are none
  at::Tensor real_index;      // int64 [n]: the samples' numbers in the data set; −1 for computed ones
  int64_t first_place = 0;    // g of the first one
  int64_t global_batch = 0;   // N
  int64_t drawn = 0;          // samples of its sequence before it: what BatchPlan::starts takes
};

/// `count` samples of a data set, not yet filled.
Batch empty_batch(const Manifest& manifest, int64_t count);

/// What networks take, in the run's precision: images v/127.5 − 1, computed in float64 and rounded once, as an NCHW (NCTHW) view
/// of channels-last memory; points as they are.
at::Tensor to_network_input(const at::Tensor& samples, at::ScalarType precision);
at::Tensor to_network_input(const Batch& batch, at::ScalarType precision);

}  // namespace ganymede::data
