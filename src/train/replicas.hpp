// What every rank must hold alike, by the names that it has in files: the list that the replica check compares.
#pragma once
#include <string>
#include <vector>

#include "gan/alternating_step.hpp"
#include "gan/optimizer.hpp"
#include "parallel/flat_network.hpp"
#include "parallel/replica_check.hpp"

namespace ganymede::train {

struct ReplicaParts {
  const parallel::FlatNetwork &generator, &discriminator, &average;
  const gan::Optimizer &generator_optimizer, &discriminator_optimizer;
  gan::AlternatingStep& step;
  bool has_global_batch_norm = true;  // else each rank has running statistics of its own
};

/// Parameters (untrained ones too), moments, buffers, the average and tricks' states; the tensors share memory with the parts.
std::vector<parallel::Replicated> replicated_tensors(const ReplicaParts& parts);
/// What is no tensor: steps done, which random numbers are keyed by, and what controllers keep.
std::string replicated_counters(const ReplicaParts& parts);

}  // namespace ganymede::train
