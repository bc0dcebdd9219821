#include "nets/collectives.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "core/error.hpp"

namespace ganymede::nets {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Group : torch::CustomClassHolder {
  BatchStatistics* statistics = nullptr;
  const char* what = "";
  std::vector<int64_t> starts;  // of a gather
};

c10::intrusive_ptr<Group> group_of(AutogradContext* context) {
  return c10::static_intrusive_pointer_cast<Group>(context->saved_data["group"].toCapsule());
}

class Sum : public torch::autograd::Function<Sum> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& own, const c10::intrusive_ptr<Group>& group) {
    context->saved_data["group"] = c10::IValue::make_capsule(group);
    const auto sum = own.detach().clone(at::MemoryFormat::Contiguous);
    group->statistics->all_reduce_sum(sum, group->what);
    return sum;
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    return {apply(gradients[0], group_of(context)), {}};
  }
};

class Gather : public torch::autograd::Function<Gather> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& own, const c10::intrusive_ptr<Group>& group) {
    context->saved_data["group"] = c10::IValue::make_capsule(group);
    const auto& starts = group->starts;
    const int64_t ranks = static_cast<int64_t>(starts.size()) - 1;
    int64_t most = 0;
    for (int64_t r = 0; r < ranks; ++r) most = std::max(most, starts[r + 1] - starts[r]);
    auto sizes = own.sizes().vec();
    sizes[0] = most;
    const auto padded = at::zeros(sizes, own.options());  // what is gathered must have one shape
    padded.narrow(0, 0, own.size(0)).copy_(own.detach());
    const auto all = group->statistics->all_gather(padded, group->what);
    std::vector<at::Tensor> parts;
    for (int64_t r = 0; r < ranks; ++r) parts.push_back(all[r].narrow(0, 0, starts[r + 1] - starts[r]));
    return at::cat(parts);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto group = group_of(context);
    const int rank = group->statistics->rank();
    const int64_t first = group->starts[rank], rows = group->starts[rank + 1] - first;
    return {Sum::apply(gradients[0], group).narrow(0, first, rows), {}};
  }
};

c10::intrusive_ptr<Group> make_group(BatchStatistics* statistics, const char* what, std::vector<int64_t> starts) {
  auto group = c10::make_intrusive<Group>();
  group->statistics = statistics, group->what = what, group->starts = std::move(starts);
  return group;
}

}  // namespace

at::Tensor gsum(const at::Tensor& own, BatchStatistics* statistics, const char* what) {
  return statistics ? Sum::apply(own, make_group(statistics, what, {})) : own;
}

at::Tensor gmean(const at::Tensor& sum_of_own_rows, int64_t rows, BatchStatistics* statistics, const char* what) {
  return gsum(sum_of_own_rows, statistics, what) / static_cast<double>(rows);
}

at::Tensor ggather(const at::Tensor& own, const std::vector<int64_t>& starts, BatchStatistics* statistics, const char* what) {
  if (!statistics) return own;
  const size_t rank = statistics->rank();
  if (starts.size() < rank + 2 || own.size(0) != starts[rank + 1] - starts[rank])
    throw Error(Fault::bug, "gathering {}: rank {} brings {} rows, which the ranks' first rows ({}) do not say", what, rank, own.size(0),
                fmt::join(starts, ", "));
  return Gather::apply(own, make_group(statistics, what, starts));
}

BatchStatistics* across_ranks(const RowRange& range, BatchStatistics* statistics) {
  if (range.source == Source::reference || range.starts.size() <= 2) return nullptr;
  if (!statistics) throw Error(Fault::bug, "a layer mixes rows of {} ranks and was given no way to reach them", range.starts.size() - 1);
  return statistics;
}

int64_t global_rows(const RowRange& range) { return range.starts.empty() ? range.rows : range.starts.back(); }

}  // namespace ganymede::nets
