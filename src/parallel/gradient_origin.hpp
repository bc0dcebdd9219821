// Where a gradient that is not finite came from. It is summed over ranks in place, so each rank remembers the sum of its own part before it
// sends it: one number a bucket, not finite where an element is not. Nobody looks at it until the sum over ranks is found not finite.
#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "gan/hooks.hpp"
#include "parallel/flat_network.hpp"

namespace ganymede::parallel {

class GradientOrigin {
 public:
  explicit GradientOrigin(comm::Communicator& communicator) : communicator_(communicator) {}

  /// `own`: this rank's part of that bucket, about to be summed in place.
  void remember(gan::Player player, size_t bucket, const at::Tensor& own);
  /// In words: the parameters (with their layers) whose sum in `flat` is not finite, and the ranks whose own part was not. `found_here`:
  /// what else this rank knows, as "its loss is nan". Collective; the same text on every rank.
  std::string explain(gan::Player player, const FlatNetwork& flat, const std::string& found_here, Deadline deadline) const;

 private:
  comm::Communicator& communicator_;
  std::array<std::vector<at::Tensor>, 2> sums_;  // by player and bucket, 0-d
};

}  // namespace ganymede::parallel
