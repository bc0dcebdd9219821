#include "gan/packs.hpp"

#include "nets/packing.hpp"

namespace ganymede::gan {
namespace {

class Packs final : public Filter {
 public:
  explicit Packs(int64_t samples) : samples_(samples) {}
  void apply(Showing& showing, const Judge& judge) override {
    auto& range = showing.range;
    showing.samples = nets::pack(showing.samples, samples_, range.starts, judge.statistics());
    range.rows = range.rank_rows = showing.samples.size(0);
    range.first_place = (range.first_place + samples_ - 1) / samples_;  // a pack belongs to the rank of its first sample
    if (!range.starts.empty()) range.starts = nets::pack_starts(range.starts, samples_);
  }

 private:
  int64_t samples_;
};

}  // namespace

std::unique_ptr<Filter> make_packs(int64_t samples) { return std::make_unique<Packs>(samples); }

}  // namespace ganymede::gan
