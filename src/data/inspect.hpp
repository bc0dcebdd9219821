// Looking at a data set without training: figures over all samples, and a few samples to see.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.hpp"

namespace ganymede::data {

struct DatasetStat {
  int64_t samples = 0;
  std::vector<int64_t> shape;
  std::optional<std::vector<std::string>> classes;
  std::optional<std::vector<int64_t>> counts;     // counted, not copied from the manifest
  double mean = 0, std = 0;                       // over all values as stored (pixels 0..255); population deviation
  std::vector<double> channel_mean, channel_std;  // of each value of the last axis
  int64_t bytes = 0;                              // of all shard files
};
DatasetStat stat(const std::filesystem::path& folder, storage::Hdf5Thread& thread);

struct Peek {
  at::Tensor samples;                // as stored: uint8 [n,H,W,C] and so on
  at::Tensor labels;                 // int32 [n], or undefined
  std::vector<int64_t> real_index;   // their numbers in the data set
  std::vector<std::string> classes;  // names, empty where there are none
};
/// `count` different samples (fewer if there are not so many), picked by `seed`.
Peek peek(const std::filesystem::path& folder, int64_t count, uint64_t seed, storage::Hdf5Thread& thread);

}  // namespace ganymede::data
