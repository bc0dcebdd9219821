// What a layer may need to know about the rows of one forward pass beside their values: which places of the global batch they
// are (random numbers and neighbours follow from that), their classes, and where the output of a layer in the middle is to go.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "core/rng.hpp"

namespace ganymede::nets {

/// Whose samples pass, and when; tells apart the dropout masks of passes that share step and place.
enum class Source : int64_t { d_real = 0, d_fake = 1, penalty = 2, g_fake = 3, g_real = 4, reference = 5 };

/// Consecutive rows of a pass that come from one source. Layers that mix samples never mix two ranges.
struct RowRange {
  Source source = Source::d_real;
  int64_t rows = 0;             // of this rank, in this pass
  int64_t first_place = 0;      // in the global batch, of the first of this rank's `rank_rows`
  int64_t rank_rows = 0;        // of this rank in the global batch: `rows`, or more where this is one micro-batch
  at::Tensor chosen;            // micro-batches: which of the rank_rows, int64 [rows]; else undefined
  std::vector<int64_t> starts;  // first row of each rank in this global (micro-)batch and their total, R + 1 numbers; empty: one process
};

struct Pass {
  std::vector<RowRange> ranges;  // cover the rows in order; empty where nobody draws or mixes (evaluation)
  const Rng* rng = nullptr;
  int64_t step = 0;              // optimizer steps that the drawing network has done
  at::Tensor labels;             // int64 [B]; undefined where there are none
  int64_t capture_layer = -1;    // the output of this layer goes to `captured`
  at::Tensor* captured = nullptr;
};

/// Numbers for the rows of one range, float64 [rows, elements].
at::Tensor uniform_rows(const Rng& rng, const Draw& draw, const RowRange& range, int64_t elements);
at::Tensor normal_rows(const Rng& rng, const Draw& draw, const RowRange& range, int64_t elements);

/// body(rows, their range) for each range of the pass, the results one below the other; one range where the pass names none.
at::Tensor for_each_range(const at::Tensor& x, const Pass& pass, const std::function<at::Tensor(const at::Tensor&, const RowRange&)>& body);

}  // namespace ganymede::nets
