#include "gan/pack_slots.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

namespace ganymede::gan {
namespace {

// Every pass starts from the same buffers; in the end they hold the average of what the passes made of them.
class AveragedBuffers {
 public:
  explicit AveragedBuffers(nets::Network& network) : buffers_(network.buffers()) {
    for (const auto& buffer : buffers_) before_.push_back(buffer.clone()), sums_.push_back(at::zeros_like(buffer));
  }
  void start_pass() {
    const at::NoGradGuard no_graph;
    for (size_t i = 0; i < buffers_.size(); ++i) buffers_[i].copy_(before_[i]);
  }
  void end_pass() {
    const at::NoGradGuard no_graph;
    for (size_t i = 0; i < buffers_.size(); ++i) sums_[i].add_(buffers_[i]);
    ++passes_;
  }
  void finish() {
    const at::NoGradGuard no_graph;
    for (size_t i = 0; i < buffers_.size(); ++i)
      if (buffers_[i].is_floating_point()) buffers_[i].copy_(sums_[i] / static_cast<double>(passes_));  // counters stand where one pass left them
  }

 private:
  std::vector<at::Tensor> buffers_, before_, sums_;
  int64_t passes_ = 0;
};

}  // namespace

int64_t slot_places_before(int64_t end, int64_t slot, int64_t slots) { return end <= slot ? 0 : (end - slot - 1) / slots + 1; }

at::Tensor forward_by_slots(nets::Network& generator, const at::Tensor& input, const at::Tensor& labels, const Share& share, nets::Source source, int64_t slots) {
  AveragedBuffers buffers(generator);
  std::vector<at::Tensor> made, places;
  for (int64_t slot = 0; slot < slots; ++slot) {
    const int64_t skipped = (slot + slots - share.first_place % slots) % slots;
    const auto chosen = at::arange(std::min(skipped, share.rows), share.rows, slots, at::kLong);
    nets::RowRange range{source, chosen.size(0), share.first_place, share.rows, chosen, {}};
    for (const int64_t start : share.starts) range.starts.push_back(slot_places_before(start, slot, slots));
    nets::Pass pass;
    pass.ranges.push_back(std::move(range));
    if (labels.defined()) pass.labels = labels.index_select(0, chosen);
    buffers.start_pass();
    made.push_back(generator.forward(input.index_select(0, chosen), pass));
    buffers.end_pass();
    places.push_back(chosen);
  }
  buffers.finish();
  return at::cat(made).index_select(0, at::cat(places).argsort());
}

}  // namespace ganymede::gan
