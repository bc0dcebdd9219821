// The key `formula` of a manifest: from what a data set was computed, so that more of it can be. Optional; `data synth` writes it.
//   {kind: "mixture", dims: F, centres: [[…] …], sd: […], weights: […]}   points; classes, where there are any, are the components
//   {kind: "stacked_mnist", digits: n}                                     images [H,W,3]: one of n grey digits in each channel, the
//                                                                          class is 100a + 10b + c
#pragma once
#include "data/json_reading.hpp"
#include "data/manifest.hpp"

namespace ganymede::data {

/// Puts the formula into `manifest`, whose other keys are read already and must fit it. Throws Error(Fault::bad_data) naming the
/// key: an unknown kind, numbers that are not finite, sizes that do not fit each other or the samples, more than
/// format::max_components.
void read_formula(const JsonReading& formula, Manifest& manifest);
/// Null where the manifest has none.
Json formula_json(const Manifest& manifest);

}  // namespace ganymede::data
