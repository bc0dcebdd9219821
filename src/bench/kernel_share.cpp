#include "bench/kernel_share.hpp"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/record_function.h>
#include <fmt/ostream.h>

#include <algorithm>
#include <map>

#include "bench/samples.hpp"

namespace ganymede::bench {
namespace {

constexpr const char* kinds[] = {"convolution", "convolution backward", "matrix product"};

// Which operators count, without their overloads. Wrappers that call one of these again are no matter: only the innermost counts.
const std::map<std::string, const char*> kind_of_operator = {
    {"aten::convolution", kinds[0]}, {"aten::convolution_backward", kinds[1]},
    {"aten::mm", kinds[2]},    {"aten::addmm", kinds[2]},   {"aten::addmm_", kinds[2]},   {"aten::bmm", kinds[2]},
    {"aten::baddbmm", kinds[2]}, {"aten::baddbmm_", kinds[2]}, {"aten::addbmm", kinds[2]}, {"aten::mv", kinds[2]},
    {"aten::addmv", kinds[2]}, {"aten::addmv_", kinds[2]},  {"aten::dot", kinds[2]},      {"mkldnn::_linear_pointwise", kinds[2]}};

// An input without its numbers: the form of a tensor, or a value as it is.
struct Input {
  std::optional<at::TensorOptions> form;
  std::vector<int64_t> sizes, strides;
  c10::IValue value;
};

struct RecordedCall {
  c10::OperatorName name{"", ""};
  std::vector<Input> inputs;
  std::string key;
  std::string shapes;
  double us = 0;
};

struct CallInProgress final : at::ObserverContext {
  RecordedCall call;
  CallInProgress* around = nullptr;
  bool has_inner = false;
  Clock::time_point start;
};

struct Recording {
  std::vector<RecordedCall> calls;
  CallInProgress* innermost = nullptr;
};
// LibTorch's callbacks are plain functions; each thread that records has its own.
thread_local Recording* recording = nullptr;

std::vector<Input> inputs_of(const at::RecordFunction& function) {
  std::vector<Input> inputs;
  for (const c10::IValue& value : function.inputs()) {
    Input& input = inputs.emplace_back();
    if (!value.isTensor() || !value.toTensor().defined()) {
      input.value = value;
      continue;
    }
    const at::Tensor& tensor = value.toTensor();
    input.form = tensor.options(), input.sizes = tensor.sizes().vec(), input.strides = tensor.strides().vec();
  }
  return inputs;
}

std::unique_ptr<at::ObserverContext> on_start(const at::RecordFunction& function) {
  const auto name = function.operator_name();
  if (!recording || !name || !kind_of_operator.contains(name->name)) return nullptr;
  auto context = std::make_unique<CallInProgress>();
  context->call.name = *name;
  context->call.inputs = inputs_of(function);
  context->around = recording->innermost;
  if (context->around) context->around->has_inner = true;
  recording->innermost = context.get();
  context->start = Clock::now();
  return context;
}

void on_end(const at::RecordFunction&, at::ObserverContext* context) {
  auto* ended = static_cast<CallInProgress*>(context);
  if (!ended || !recording) return;
  ended->call.us = us_since(ended->start);
  recording->innermost = ended->around;
  if (!ended->has_inner) recording->calls.push_back(std::move(ended->call));
}

std::vector<RecordedCall> record(const std::function<void()>& step) {
  Recording here;
  recording = &here;
  const auto handle = at::addThreadLocalCallback(at::RecordFunctionCallback(&on_start, &on_end).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  try {
    step();
  } catch (...) {
    at::removeCallback(handle);
    recording = nullptr;
    throw;
  }
  at::removeCallback(handle);
  recording = nullptr;
  return std::move(here.calls);
}

void describe(RecordedCall& call) {
  call.key = toString(call.name);
  for (const Input& input : call.inputs) {
    if (!input.form) {
      call.key += input.value.isTensor() ? "|none" : fmt::format("|{}", fmt::streamed(input.value));
      continue;
    }
    call.key += fmt::format("|{}{}{}", toString(c10::typeMetaToScalarType(input.form->dtype())), fmt::join(input.sizes, ","), fmt::join(input.strides, ","));
    call.shapes += fmt::format("{}[{}]", call.shapes.empty() ? "" : " ", fmt::join(input.sizes, ","));
  }
}

at::Tensor tensor_like(const Input& input) {
  auto tensor = at::empty_strided(input.sizes, input.strides, *input.form);
  // All it holds, once: an expanded input has one element in several places.
  auto held = tensor.as_strided({static_cast<int64_t>(tensor.storage().nbytes() / tensor.element_size())}, {1});
  if (tensor.is_floating_point()) held.uniform_(-1, 1);
  else held.zero_();
  return tensor;
}

// The best of at least five runs, and of as many as 30 ms hold.
double best_us(const RecordedCall& call) {
  constexpr double enough_us = 30e3;
  constexpr int least = 5, most = 200;
  const auto handle = c10::Dispatcher::singleton().findSchemaOrThrow(call.name.name.c_str(), call.name.overload_name.c_str());
  std::vector<c10::IValue> arguments;
  for (const Input& input : call.inputs) arguments.push_back(input.form ? c10::IValue(tensor_like(input)) : input.value);
  double best = std::numeric_limits<double>::infinity(), total = 0;
  for (int i = 0; i < most && (i < least || total < enough_us); ++i) {
    torch::jit::Stack stack = arguments;
    const auto start = Clock::now();
    handle.callBoxed(&stack);
    const double us = us_since(start);
    total += us;
    best = std::min(best, us);
  }
  return best;
}

}  // namespace

std::vector<KernelCalls> time_kernels(const std::function<void()>& step) {
  auto recorded = record(step);
  at::NoGradGuard no_graph;
  std::vector<KernelCalls> all;
  std::map<std::string, size_t> places;
  std::vector<const RecordedCall*> examples;
  for (RecordedCall& call : recorded) {
    describe(call);
    const auto [place, is_new] = places.emplace(call.key, all.size());
    if (is_new) {
      all.push_back({kind_of_operator.at(call.name.name), toString(call.name), call.shapes});
      examples.push_back(&call);
    }
    all[place->second].count += 1;
    all[place->second].in_step_ms += call.us / 1e3;
  }
  for (size_t i = 0; i < all.size(); ++i) all[i].alone_ms = static_cast<double>(all[i].count) * best_us(*examples[i]) / 1e3;
  return all;
}

std::vector<KindOfKernel> by_kind(const std::vector<KernelCalls>& calls) {
  std::vector<KindOfKernel> sums;
  for (const char* kind : kinds) {
    KindOfKernel sum{kind};
    for (const auto& call : calls)
      if (call.kind == kind) sum.count += call.count, sum.in_step_ms += call.in_step_ms, sum.alone_ms += call.alone_ms;
    if (sum.count > 0) sums.push_back(std::move(sum));
  }
  return sums;
}

}  // namespace ganymede::bench
