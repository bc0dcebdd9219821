#include "gan/scene.hpp"

#include <ATen/autocast_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>

namespace ganymede::gan {

at::Tensor Share::micro(const at::Tensor& all, size_t m) const {
  if (micro_rows.empty() || !all.defined()) return all;
  return at::index_select(all, 0, micro_rows[m]);
}

at::Tensor Share::joined(const std::vector<at::Tensor>& parts) const {
  if (micro_rows.empty()) return parts.front();
  auto all = at::empty({rows}, parts.front().options());
  for (size_t m = 0; m < parts.size(); ++m) all.index_copy_(0, micro_rows[m], parts[m]);
  return all;
}

nets::RowRange Share::range(nets::Source source, size_t m) const {
  if (micro_rows.empty()) return {source, rows, first_place, rows, {}, starts};
  return {source, micro_rows[m].size(0), first_place, rows, micro_rows[m], micro_starts.empty() ? std::vector<int64_t>{} : micro_starts[m]};
}

Share share_of_rank(int64_t rank, int64_t ranks, int64_t streams, int64_t micro_batches, const std::function<int64_t(int64_t)>& count_of) {
  Share share;
  std::vector<std::vector<int64_t>> rows(static_cast<size_t>(micro_batches));
  share.micro_starts.assign(rows.size(), {0});
  int64_t place = 0;
  for (int64_t r = 0; r < ranks; ++r) {
    share.starts.push_back(place);
    for (auto& starts : share.micro_starts) starts.push_back(starts.back());
    for (int64_t v = streams * r / ranks; v < streams * (r + 1) / ranks; ++v) {
      const int64_t count = count_of(v);
      for (int64_t i = 0; micro_batches > 1 && i < count; ++i) {
        const auto m = static_cast<size_t>((v + i) % micro_batches);
        ++share.micro_starts[m].back();
        if (r == rank) rows[m].push_back(place + i - share.starts.back());
      }
      place += count;
    }
  }
  share.starts.push_back(place);
  share.first_place = share.starts[static_cast<size_t>(rank)];
  share.rows = share.starts[static_cast<size_t>(rank) + 1] - share.first_place;
  if (micro_batches > 1)
    for (const auto& one : rows) share.micro_rows.push_back(at::tensor(one, at::kLong));
  if (micro_batches == 1 || ranks == 1) share.micro_starts.clear();
  if (ranks == 1) share.starts.clear();
  return share;
}

Autocast::Autocast(bool on) : on_(on) {
  if (!on_) return;
  before_ = at::autocast::is_autocast_enabled(at::kCPU);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  at::autocast::set_autocast_enabled(at::kCPU, true);
}

Autocast::~Autocast() {
  if (!on_) return;
  at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(at::kCPU, before_);
}

Judged Judge::prepare(Showing showing) const {
  for (const auto& filter : filters_) filter->apply(showing, *this);
  return {std::move(showing.samples), {}, {}, {}, std::move(showing.labels), {}, std::move(showing.range), showing.step};
}

void Judge::ask(Judged& first, Judged* second, int64_t captured) const {
  nets::Pass pass;
  pass.rng = &rng_;
  pass.step = first.step;
  pass.labels = second && first.labels.defined() ? at::cat({first.labels, second->labels}) : first.labels;
  pass.ranges.push_back(first.range);
  if (second) pass.ranges.push_back(second->range);
  at::Tensor features;
  pass.capture_layer = captured, pass.captured = &features;
  const auto input = second ? at::cat({first.input, second->input.to(first.input.scalar_type())}) : first.input;
  at::Tensor all;
  {
    const Autocast autocast(setup_.precision == Precision::bf16);
    all = discriminator_.forward(input, pass);
  }
  all = all.to(type());
  const int64_t split = first.input.size(0);
  const auto fill = [&](Judged& judged, int64_t from, int64_t rows) {
    const auto mine = second ? all.narrow(0, from, rows) : all;
    judged.outputs = has_classes ? mine.select(1, 0) : mine;
    if (has_classes) judged.classes = mine.narrow(1, 1, mine.size(1) - 1);
    if (features.defined()) judged.features = second ? features.narrow(0, from, rows) : features;
  };
  fill(first, 0, split);
  if (second) fill(*second, split, second->input.size(0));
}

}  // namespace ganymede::gan
