// What passes between the alternating step and the parts of a game: samples on their way to D, and what D made of them.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "nets/batch_norm.hpp"
#include "nets/network.hpp"
#include "nets/pass.hpp"

namespace ganymede::gan {

enum class Precision { float32, bf16, float64 };
inline at::ScalarType scalar_type(Precision precision) { return precision == Precision::float64 ? at::kDouble : at::kFloat; }

/// Which rows of a global batch this rank has, and how they fall into micro-batches.
struct Share {
  int64_t first_place = 0, rows = 0;
  std::vector<int64_t> starts;                     // first row of each rank and the total, R + 1 numbers; empty: one process
  std::vector<at::Tensor> micro_rows;              // int64, the rows of each micro-batch; empty where there is only one
  std::vector<std::vector<int64_t>> micro_starts;  // `starts` of each micro-batch

  size_t micro_count() const { return micro_rows.empty() ? 1 : micro_rows.size(); }
  /// The rows of `all` that belong to micro-batch m.
  at::Tensor micro(const at::Tensor& all, size_t m) const;
  /// The inverse: one value a row, back in the order of the batch.
  at::Tensor joined(const std::vector<at::Tensor>& parts) const;
  nets::RowRange range(nets::Source source, size_t m) const;
};

/// Ranks own contiguous, balanced ranges of `streams` streams; `count_of` says how many rows of this step each gives. Place i of stream
/// v's rows goes to micro-batch (v + i) mod `micro_batches`: a function of the global batch alone; a rank may have none of one.
Share share_of_rank(int64_t rank, int64_t ranks, int64_t streams, int64_t micro_batches, const std::function<int64_t(int64_t stream)>& count_of);

/// This rank's rows of the reals of one step, in the order of the global batch.
struct RealBatch {
  at::Tensor samples;             // [B,C,H,W] or [B,F] in the run's precision
  at::Tensor real_index, labels;  // int64 [B]; labels undefined where there are none
  Share share;
};

/// Samples of one source on their way to D. Filters change them, and where they join rows into one, the range.
struct Showing {
  at::Tensor samples;    // [B,…]
  at::Tensor labels;     // int64 [B], undefined in a game without classes
  nets::RowRange range;
  int64_t step = 0;      // optimizer steps that the network has done whose phase it is
  int64_t iteration = 0;
};

/// What D was shown and said. B rows, or as many as a filter left.
struct Judged {
  at::Tensor input;     // [B,…]
  at::Tensor outputs;   // [B]: logits, or a critic's values
  at::Tensor classes;   // [B,K], where D has a classifier's head
  at::Tensor features;  // [B,…] of the layer that a term asked for
  at::Tensor labels;    // int64 [B] or undefined
  at::Tensor slots;     // [B]: 1 where the real is first of the pair; undefined unless D sees pairs
  nets::RowRange range;
  int64_t step = 0;
};

/// bf16 autocast over one forward. The cache of cast weights is dropped after each: a second forward in one region would use
/// stale weights after an update, and weights cast without graph would delay all gradients to the end of backward.
class Autocast {
 public:
  explicit Autocast(bool on);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  bool on_, before_ = false;
};

class Judge;

/// Changes what D is shown, reals and fakes alike: one sample after another, or several joined into one row.
class Filter {
 public:
  virtual ~Filter() = default;
  virtual void apply(Showing& showing, const Judge& judge) = 0;
};

/// D, and what it takes to ask it.
class Judge {
 public:
  struct Setup {
    Precision precision = Precision::float32;
    int64_t global_batch = 0;
    int64_t joined_rows = 1;                      // samples that make one row of D's
    nets::BatchStatistics* statistics = nullptr;  // sums over ranks; nullptr: one process
  };
  /// All but `setup` are kept by reference.
  Judge(const Setup& setup, nets::Network& discriminator, const Rng& rng, const std::vector<std::unique_ptr<Filter>>& filters)
      : setup_(setup), discriminator_(discriminator), rng_(rng), filters_(filters) {}

  /// Through the filters only.
  Judged prepare(Showing showing) const;
  /// D over the inputs of one or two prepared batches, in one pass; fills in outputs and classes, and with the output of layer
  /// `captured` the features (-1: none).
  void ask(Judged& first, Judged* second = nullptr, int64_t captured = -1) const;
  bool has_classes = false;  // D's outputs have a classifier's columns behind the first

  nets::Network& discriminator() const { return discriminator_; }
  const Rng& rng() const { return rng_; }
  nets::BatchStatistics* statistics() const { return setup_.statistics; }
  at::ScalarType type() const { return scalar_type(setup_.precision); }
  int64_t global_batch() const { return setup_.global_batch; }
  /// What a mean over the global batch divides by: rows of D, not samples.
  double decisions() const { return static_cast<double>(setup_.global_batch / setup_.joined_rows); }

 private:
  Setup setup_;
  nets::Network& discriminator_;
  const Rng& rng_;
  const std::vector<std::unique_ptr<Filter>>& filters_;
};

}  // namespace ganymede::gan
