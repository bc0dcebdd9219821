// Distances between two sets of samples that look at the samples alone.
//   EMD         on a line, with equally many samples: mean |sort(x) − sort(y)|; W2² is the mean of the squares (Peyré and Cuturi 2019,
//               "Computational Optimal Transport", remark 2.28)
//   sliced W    the same on 512 lines: mean of W1, root of the mean of W2² (Bonneel et al. 2015, "Sliced and Radon Wasserstein
//               Barycenters"); planar lines lie at angles πj/512, others are drawn
//   histogram   KL(generated ‖ data) on a line, only over bins that hold data, as the MAD-GAN paper's published evaluation does
// The same figure for two sets of reals is the floor of each.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "core/rng.hpp"

namespace ganymede::evaluate {

struct Wasserstein {
  double w1;
  double w2;
};

/// x, y [n]; float64 inside. Throws Error(Fault::bug) unless both hold the same number of samples, at least one.
Wasserstein wasserstein_on_line(const at::Tensor& x, const at::Tensor& y);
/// Earth mover's distance: w1 of the above.
double emd(const at::Tensor& x, const at::Tensor& y);

constexpr int64_t sliced_directions = 512;

/// x, y [n,F], equally many. `rng` gives the directions where F is not 2 (purpose eval, step 0).
Wasserstein sliced_wasserstein(const at::Tensor& x, const at::Tensor& y, const Rng& rng);

struct HistogramBins {
  double low = -10.0;
  double high = 129.5;
  double width = 0.5;
};
struct HistogramKl {
  double kl;       // NaN where no generated sample lies in a bin that holds data
  double outside;  // share of generated samples outside these bins, which the renormalizing hides
};
/// generated, data [n], [m].
HistogramKl histogram_kl(const at::Tensor& generated, const at::Tensor& data, const HistogramBins& bins = {});

}  // namespace ganymede::evaluate
