// Sums each network's flat gradient over ranks by the communication thread, while the main thread goes on computing, and
// gives batch norm its statistics. Measures how long the main thread waited for either.
#pragma once
#include <array>
#include <vector>

#include "comm/communicator.hpp"
#include "gan/hooks.hpp"
#include "nets/batch_statistics.hpp"
#include "parallel/flat_network.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::parallel {

enum class BatchNormScope { global, local };

struct ParallelConfig {
  double bucket_mib = 4.0;  // smaller finishes earlier, larger amortises latency
  bool overlap = true;      // false waits at once, to measure what overlapping gains; the same bits
  BatchNormScope batch_norm = BatchNormScope::global;
  double deadline_s = 300.0;  // of one collective
};
void describe(config::Fields& fields, ParallelConfig& c);

/// Time the main thread spent waiting for communication; statistics' share also apart.
struct WaitTimes {
  double exposed_ms = 0, statistics_ms = 0;
};

class Reducer final : public gan::GradientSync {
 public:
  /// All three are kept by reference and outlive it.
  Reducer(comm::Communicator& communicator, const ParallelConfig& config, FlatNetwork& generator, FlatNetwork& discriminator, WaitTimes& waits);
  gan::FlatWeights weights(gan::Player player) override { return flat(player).weights(); }
  void start(gan::Player player, Deadline deadline) override;
  void finish(gan::Player player, Deadline deadline) override;
  void mark_updated(gan::Player player) override { flat(player).mark_updated(); }

  /// From now on this rank asks everyone to stop. The wish rides in G's all-reduce, so it costs no message of its own.
  void ask_to_stop() { asks_to_stop_ = true; }
  /// How many ranks had asked when G's last finished reduction began: the same answer on every rank.
  int64_t stops_asked() const { return stops_asked_; }

 private:
  FlatNetwork& flat(gan::Player player) { return player == gan::Player::generator ? generator_ : discriminator_; }
  void wait(gan::Player player);
  comm::Communicator& communicator_;
  ParallelConfig config_;
  FlatNetwork &generator_, &discriminator_;
  WaitTimes& waits_;
  std::array<std::vector<at::Tensor>, 2> buckets_;      // by player: parts of the flat gradient, the flags in the last
  std::array<std::vector<comm::Work>, 2> under_way_;  // by player, a bucket each; empty when nothing is
  bool asks_to_stop_ = false;
  int64_t stops_asked_ = 0;
};

class GlobalStatistics final : public nets::BatchStatistics {
 public:
  GlobalStatistics(comm::Communicator& communicator, double deadline_s, WaitTimes& waits)
      : communicator_(communicator), deadline_s_(deadline_s), waits_(waits) {}
  int rank() const override { return communicator_.rank(); }
  at::Tensor all_gather(const at::Tensor& own, const char* what) override;
  void all_reduce_sum(at::Tensor tensor, const char* what) override;

 private:
  comm::Communicator& communicator_;
  double deadline_s_;
  WaitTimes& waits_;
};

}  // namespace ganymede::parallel
