// Sums each network's flat gradient over ranks by the communication thread, while the main thread goes on computing, and
// gives batch norm its statistics. Measures how long the main thread waited for either.
//
// A gradient is cut into buckets in the order in which backward writes it. Once armed (before the last backward of a phase), a
// bucket's all-reduce starts when the last of its gradients is written, in the order of the buckets, which is the same on every
// rank; what no backward has written starts after it.
#pragma once
#include <array>
#include <optional>
#include <vector>

#include "comm/communicator.hpp"
#include "gan/hooks.hpp"
#include "nets/batch_statistics.hpp"
#include "parallel/flat_network.hpp"
#include "parallel/gradient_origin.hpp"

namespace ganymede::config {
class Fields;
}

namespace ganymede::parallel {

enum class BatchNormScope { global, local };
/// How gradients travel: as they are, or rounded to bfloat16 (sums are float32, rounded once more; float32 runs only).
enum class Wire { native, bf16 };
enum class OnNotFinite { abort, skip, rewind };  // what a gradient's sum that is not finite leads to

struct ParallelConfig {
  double bucket_mib = 4.0;  // smaller finishes earlier, larger amortises latency
  bool overlap = true;      // false waits at once, to measure what overlapping gains; the same bits
  BatchNormScope batch_norm = BatchNormScope::global;
  Wire wire = Wire::native;
  int64_t virtual_ranks = 0;  // > 0: that many ranks as threads of however many processes, with the same bits for every number
  double deadline_s = 300.0;       // of one collective
  double deadline_floor_s = 30.0;  // deadlines learned in the run get no shorter
  int64_t check_every_steps = 100;  // iterations between comparisons of replicas; 0: never
  OnNotFinite on_nonfinite = OnNotFinite::abort;
  int64_t rewinds = 3;  // at most, in one run of the program
};
void describe(config::Fields& fields, ParallelConfig& c);

/// Time the main thread spent waiting for communication; statistics' share also apart.
struct WaitTimes {
  double exposed_ms = 0, statistics_ms = 0;
};

class Reducer final : public gan::GradientSync {
 public:
  /// All are kept by reference and outlive it.
  Reducer(comm::Communicator& communicator, const ParallelConfig& config, FlatNetwork& generator, FlatNetwork& discriminator, WaitTimes& waits);
  ~Reducer() override;
  Reducer(const Reducer&) = delete;

  gan::FlatWeights weights(gan::Player player) override { return side(player).flat.weights(); }
  void arm(gan::Player player, Deadline deadline) override;
  void start(gan::Player player, Deadline deadline) override;
  void finish(gan::Player player, Deadline deadline) override;
  std::string origin_of_not_finite(gan::Player player, const std::string& found_here, Deadline deadline) override {
    return origin_.explain(player, side(player).flat, found_here, deadline);
  }
  void mark_updated(gan::Player player) override { side(player).flat.mark_updated(); }

  /// How gradients are cut into buckets: equal on all ranks or the run must not start.
  std::string layout() const;

  /// From now on this rank asks everyone to stop. The wish rides in G's all-reduce, so it costs no message of its own.
  void ask_to_stop() { asks_to_stop_ = true; }
  /// How many ranks had asked when G's last finished reduction began: the same answer on every rank.
  int64_t stops_asked() const { return stops_asked_; }

  size_t bucket_count(gan::Player player) const { return sides_[static_cast<size_t>(player)].buckets.size(); }
  /// Buckets whose sum began while a backward was still running, since the start.
  int64_t early_buckets() const { return early_buckets_; }
  /// Relative rounding error (2-norm) of this rank's gradient as it travelled, measured every 16th time; 0 unless wire = bf16.
  double wire_error(gan::Player player) const { return sides_[static_cast<size_t>(player)].wire_error; }

 private:
  struct Bucket {
    at::Tensor gradients;  // part of the flat gradient; the last one's ends with the flags
    at::Tensor rounded;    // what travels where wire = bf16, else undefined
    int64_t parameters = 0, unwritten = 0;
  };
  struct Side {
    FlatNetwork& flat;
    std::vector<Bucket> buckets;
    std::vector<comm::Work> under_way;  // empty when nothing is
    size_t started = 0;                 // buckets of this phase
    bool is_armed = false;
    std::optional<Deadline> deadline;
    int64_t phases = 0;
    double wire_error = 0, squared_error = 0, squared_norm = 0;
  };
  class WrittenHook;

  Side& side(gan::Player player) { return sides_[static_cast<size_t>(player)]; }
  void on_written(gan::Player player, size_t bucket);
  void launch(gan::Player player, size_t bucket);
  void wait(gan::Player player);
  void set_flags(gan::Player player);
  static void round(Side& one, const Bucket& bucket);

  comm::Communicator& communicator_;
  ParallelConfig config_;
  WaitTimes& waits_;
  std::array<Side, 2> sides_;  // by player
  GradientOrigin origin_;
  bool asks_to_stop_ = false;
  int64_t stops_asked_ = 0, early_buckets_ = 0;
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
