// How varied a set of samples is, against a set of reals. n samples of F numbers (pixels, points or features), any floating type;
// sums are float64.
#pragma once
#include <ATen/core/Tensor.h>

namespace ganymede::evaluate {

/// Mean ‖x‖² − ‖mean x‖²: the trace of the covariance. Blind to lost modes that leave the spread, such as every second one of a ring.
double spread(const at::Tensor& x);

/// The share of samples whose nearest neighbour in their own set is closer than `radius`; `squared` holds the squared distances [n,n].
double duplicate_share(const at::Tensor& x, const at::Tensor& squared, double radius);

/// The statistic of a minibatch-standard-deviation layer with the whole set as its group: mean over F of √(variance + 1e-8).
/// Karras et al. 2018, "Progressive Growing of GANs", section 3.
double minibatch_deviation(const at::Tensor& x);

/// e^H of the mean of the rows: how many classes a set uses. probabilities [n,K], rows summing to 1.
double effective_classes(const at::Tensor& probabilities);

}  // namespace ganymede::evaluate
