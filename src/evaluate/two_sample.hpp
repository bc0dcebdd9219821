// Do two sets of samples come from one distribution? The kernel two-sample statistic, its size in lost modes, and its significance.
//   MMD²  = mean_{i≠j} k(r_i,r_j) + mean_{i≠j} k(y_i,y_j) − 2·mean k(r_i,y_j)
//           (Gretton et al. 2012, "A Kernel Two-Sample Test", lemma 6)
//   M     = MMD² / (mean k(r_i,r_i) − mean_{i≠j} k(r_i,r_j)): if y is the data restricted to m of K equal, separated modes,
//           M = (K−m)/(m(K−1)) for any kernel that is constant within and across modes
//   T     = cross-MMD over its standard error, about N(0,1) under equality, so no permutations are needed. With halves r₁,r₂,y₁,y₂ and
//           w(x) = mean k(x,r₂) − mean k(x,y₂): (mean w(r₁) − mean w(y₁)) / √(s²(w(r₁))/n₁ + s²(w(y₁))/n₁)
//           (Shekhar, Kim and Ramdas 2022, "A Permutation-free Kernel Two-Sample Test")
// r, y [n,F] of one floating type. Matrices are made in that type; sums are float64.
#pragma once
#include <ATen/core/Tensor.h>

namespace ganymede::evaluate {

enum class Kernel {
  gaussian,    // exp(−‖a−b‖²/2h²), h² = the median of ‖r_i−r_j‖² over i<j
  polynomial,  // (aᵀb/F + 1)³
};

/// k of all pairs: rr [n,n], yy [m,m], ry [n,m].
struct KernelMatrices {
  at::Tensor rr, yy, ry;
};
/// The squared distances of all pairs, in the same places.
KernelMatrices squared_distance_matrices(const at::Tensor& r, const at::Tensor& y);
KernelMatrices gaussian_kernels(const KernelMatrices& squared, double bandwidth_squared);
KernelMatrices polynomial_kernels(const at::Tensor& r, const at::Tensor& y);

/// Of the pairs i<j of a square matrix, the mean of the two middle ones where their number is even. Where more than half are 0 (most
/// points coincide) the mean instead; 1 where all are.
double median_bandwidth_squared(const at::Tensor& squared);

double unbiased_mmd2(const KernelMatrices& k);
/// M; 0 where all reals are one point, which has no modes to lose.
double lost_mode_effect(const KernelMatrices& k);
/// T from the kernels of the first halves (rows) against the second halves (columns).
double cross_mmd(const at::Tensor& r1_r2, const at::Tensor& r1_y2, const at::Tensor& y1_r2, const at::Tensor& y1_y2);

struct TwoSample {
  double mmd2;
  double effect;  // M
  double t;       // T between the first and second halves of the rows
};
/// Throws Error(Fault::bug) unless both sets hold the same even number of samples, at least 4.
TwoSample two_sample(const KernelMatrices& k);
TwoSample two_sample(const at::Tensor& r, const at::Tensor& y, Kernel kernel = Kernel::gaussian);

}  // namespace ganymede::evaluate
