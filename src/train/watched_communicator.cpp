#include "train/watched_communicator.hpp"

#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>

namespace ganymede::train {
namespace {

using Clock = std::chrono::steady_clock;

// As a span of whatever profiler listens on this thread.
template <typename Call>
auto recorded(const std::string& text, Call call) {
  at::RecordFunction scope(at::RecordScope::USER_SCOPE);
  if (scope.isActive()) scope.before(text);
  return call();
}

class WatchedWork final : public comm::Work::Pending {
 public:
  WatchedWork(comm::Work inner, OperationSpan span, std::shared_ptr<std::vector<OperationSpan>> spans)
      : inner_(std::move(inner)), span_(std::move(span)), spans_(std::move(spans)) {}
  bool is_done() override { return inner_.is_done(); }
  void wait() override {
    recorded("wait: " + span_.name, [&] { inner_.wait(); });
    if (!spans_) return;
    span_.end = Clock::now();
    std::exchange(spans_, {})->push_back(span_);
  }

 private:
  comm::Work inner_;
  OperationSpan span_;
  std::shared_ptr<std::vector<OperationSpan>> spans_;  // empty once noted
};

int64_t bytes_of(const std::vector<at::Tensor>& tensors) {
  int64_t bytes = 0;
  for (const auto& tensor : tensors)
    if (tensor.defined()) bytes += static_cast<int64_t>(tensor.nbytes());
  return bytes;
}

}  // namespace

template <typename Call>
auto WatchedCommunicator::noted(OperationSpan span, Call call) {
  if (!is_watching_) return call();
  span.start = Clock::now();
  struct AtEnd {
    std::vector<OperationSpan>& spans;
    OperationSpan& span;
    ~AtEnd() {
      span.end = Clock::now();
      spans.push_back(std::move(span));
    }
  } at_end{*spans_, span};
  return recorded(fmt::format("{}: {}", span.kind, span.name), call);
}

comm::Work WatchedCommunicator::all_reduce_sum_async(at::Tensor tensor, const std::string& name, Deadline deadline, comm::Channel channel) {
  const auto bytes = static_cast<int64_t>(tensor.nbytes());
  const auto start = Clock::now();
  auto work = inner_.all_reduce_sum_async(std::move(tensor), name, deadline, channel);
  if (!is_watching_ || size() == 1) return work;
  return comm::Work(std::make_shared<WatchedWork>(std::move(work), OperationSpan{"all_reduce", name, channel, bytes, start, {}}, spans_));
}

at::Tensor WatchedCommunicator::all_gather(const at::Tensor& own, const std::string& name, Deadline deadline, comm::Channel channel) {
  return noted({"all_gather", name, channel, static_cast<int64_t>(own.nbytes()), {}, {}}, [&] { return inner_.all_gather(own, name, deadline, channel); });
}

void WatchedCommunicator::broadcast(at::Tensor tensor, int root, const std::string& name, Deadline deadline, comm::Channel channel) {
  noted({"broadcast", name, channel, static_cast<int64_t>(tensor.nbytes()), {}, {}}, [&] { inner_.broadcast(tensor, root, name, deadline, channel); });
}

void WatchedCommunicator::exchange(const std::vector<at::Tensor>& outgoing, std::vector<at::Tensor>& incoming, const std::string& name, Deadline deadline,
                                   comm::Channel channel) {
  noted({"exchange", name, channel, bytes_of(outgoing), {}, {}}, [&] { inner_.exchange(outgoing, incoming, name, deadline, channel); });
}

void WatchedCommunicator::barrier(const std::string& name, Deadline deadline) {
  noted({"barrier", name, comm::Channel::control, 0, {}, {}}, [&] { inner_.barrier(name, deadline); });
}

std::vector<std::string> WatchedCommunicator::gather_texts(const std::string& own, const std::string& name, Deadline deadline) {
  return noted({"gather_texts", name, comm::Channel::control, static_cast<int64_t>(own.size()), {}, {}}, [&] { return inner_.gather_texts(own, name, deadline); });
}

}  // namespace ganymede::train
