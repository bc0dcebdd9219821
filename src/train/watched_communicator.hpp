// A Communicator that notes what passes through it, for a profile: each operation from its start until it has been waited for, and each
// wait of the main thread as a span of LibTorch's profiler.
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.hpp"

namespace ganymede::train {

struct OperationSpan {
  std::string kind, name;  // "all_reduce", "discriminator bucket 2"
  comm::Channel channel = comm::Channel::control;
  int64_t bytes = 0;  // of this rank's tensor
  std::chrono::steady_clock::time_point start, end;  // the end is when the main thread had waited for it: it may have been over before
};

class WatchedCommunicator final : public comm::Communicator {
 public:
  /// `inner` is kept by reference and outlives it.
  explicit WatchedCommunicator(comm::Communicator& inner) : inner_(inner), spans_(std::make_shared<std::vector<OperationSpan>>()) {}
  /// Operations started from now on are noted, or not. One that was noted is added to the spans when it has been waited for.
  void watch(bool on) { is_watching_ = on; }
  std::vector<OperationSpan> take_spans() { return std::exchange(*spans_, {}); }

  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  const std::vector<std::string>& hosts() const override { return inner_.hosts(); }
  std::string backend() const override { return inner_.backend(); }
  comm::Work all_reduce_sum_async(at::Tensor tensor, const std::string& name, Deadline deadline, comm::Channel channel) override;
  at::Tensor all_gather(const at::Tensor& own, const std::string& name, Deadline deadline, comm::Channel channel) override;
  void broadcast(at::Tensor tensor, int root, const std::string& name, Deadline deadline, comm::Channel channel) override;
  void exchange(const std::vector<at::Tensor>& outgoing, std::vector<at::Tensor>& incoming, const std::string& name, Deadline deadline,
                comm::Channel channel) override;
  void barrier(const std::string& name, Deadline deadline) override;
  std::vector<std::string> gather_texts(const std::string& own, const std::string& name, Deadline deadline) override;
  std::unique_ptr<comm::Communicator> split(int color, const std::string& name, Deadline deadline) override { return inner_.split(color, name, deadline); }
  void relay_failure(const Error& error) noexcept override { inner_.relay_failure(error); }
  bool leads_process() const override { return inner_.leads_process(); }
  void enter(comm::Section section) override { inner_.enter(section); }
  void learn_deadlines(double floor_s, double longest_s) override { inner_.learn_deadlines(floor_s, longest_s); }
  void check_peers() override { inner_.check_peers(); }
  comm::Traffic traffic() const override { return inner_.traffic(); }
  void shut_down(Deadline deadline) override { inner_.shut_down(deadline); }

 private:
  template <typename Call>
  auto noted(OperationSpan span, Call call);

  comm::Communicator& inner_;
  bool is_watching_ = false;
  std::shared_ptr<std::vector<OperationSpan>> spans_;  // main thread
};

}  // namespace ganymede::train
