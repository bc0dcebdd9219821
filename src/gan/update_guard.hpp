// What becomes of an update whose gradient is not finite. All ranks see the same sum, so all decide alike.
//   it ends the run, unless it is left out: weights, moments and average stay, the network's counters of steps go on (so that each later
//   step has the samples and random numbers that it would have had), and what the pass put into running statistics that is not finite is
//   taken back to what they were after the network's last update.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/state.hpp"
#include "gan/hooks.hpp"
#include "nets/network.hpp"

namespace ganymede::gan {

/// A gradient's sum over ranks that is not finite, found alike on every rank.
class NotFinite : public Error {
 public:
  NotFinite(const Error& error, Player player, int64_t step) : Error(error), player(player), step(step) {}
  Player player;
  int64_t step = 0;  // steps this network had done before
};

class UpdateGuard {
 public:
  UpdateGuard(std::shared_ptr<nets::Network> generator, std::shared_ptr<nets::Network> discriminator);

  /// From now on: leave out each such update, or only those named by leave_out().
  void leave_out_all() { leaves_out_all_ = is_on_ = true; }
  void leave_out_named() { is_on_ = true; }
  void leave_out(Player player, int64_t step) { named_.emplace(player, step); }
  bool leaves_out(Player player, int64_t step) const { return leaves_out_all_ || named_.contains({player, step}); }

  /// An update was made.
  void made(Player player);
  /// One was left out: it is counted, and running statistics that are not finite are put back. Throws Error(Fault::numeric) where none are known.
  void left_out(Player player);
  int64_t count() const { return counts_[0] + counts_[1]; }  // of updates left out in the whole run
  bool is_on() const { return is_on_; }

  void save(State& state) const;
  void load(const State& state);

 private:
  struct Buffer {
    std::string name;
    at::Tensor now, kept;  // kept: undefined until the network's first update
  };
  std::array<std::vector<Buffer>, 2> buffers_;  // by player
  bool is_on_ = false, leaves_out_all_ = false;
  std::set<std::pair<Player, int64_t>> named_;
  std::array<int64_t, 2> counts_{};  // by player
};

}  // namespace ganymede::gan
