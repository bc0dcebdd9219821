#include "comm/nccl_communicator.hpp"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include "comm/checks.hpp"
#include "comm/nccl_link.hpp"

namespace ganymede::comm {
namespace {

ncclDataType_t nccl_type(at::ScalarType type) {
  switch (type) {
    case at::kFloat: return ncclFloat32;
    case at::kDouble: return ncclFloat64;
    case at::kLong: return ncclInt64;
    case at::kBFloat16: return ncclBfloat16;
    default: throw Error(Fault::bug, "NCCL is not asked to sum tensors of type {}", at::toString(type));
  }
}

class NcclWork final : public Work::Pending {
 public:
  NcclWork(std::shared_ptr<NcclLink> link, std::shared_ptr<NcclDevice> device, std::shared_ptr<Event> done)
      : link_(std::move(link)), device_(std::move(device)), done_(std::move(done)) {}
  bool is_done() override { return done_->has_come(); }
  void wait() override {
    link_->check();
    done_->hold_back(device_->compute_stream());
  }

 private:
  std::shared_ptr<NcclLink> link_;
  std::shared_ptr<NcclDevice> device_;
  std::shared_ptr<Event> done_;
};

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(std::unique_ptr<Communicator> host, std::shared_ptr<NcclDevice> device, Deadline deadline)
      : host_(std::move(host)), device_(std::move(device)), statistics_(std::make_shared<NcclLink>(*host_, device_, deadline)),
        gradients_(std::make_shared<NcclLink>(*host_, device_, deadline)) {}

  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  const std::vector<std::string>& hosts() const override { return host_->hosts(); }
  std::string backend() const override { return host_->backend() + "+nccl"; }

  Work all_reduce_sum_async(at::Tensor tensor, const std::string& name, Deadline deadline, Channel channel) override {
    if (!device_->holds(tensor)) return host_->all_reduce_sum_async(std::move(tensor), name, deadline, channel);
    check_contiguous(tensor, "all_reduce", name);
    const auto type = nccl_type(tensor.scalar_type());
    if (tensor.numel() == 0) return {};
    void* const data = tensor.data_ptr();
    const auto count = static_cast<size_t>(tensor.numel());
    count_sent(channel, 2 * static_cast<int64_t>(tensor.nbytes()) * (size() - 1) / size());
    return submit(channel, "all_reduce", name, deadline, {tensor}, [=](ncclComm_t comm, cudaStream_t stream) {
      return ncclAllReduce(data, data, count, type, ncclSum, comm, stream);
    });
  }

  at::Tensor all_gather(const at::Tensor& own, const std::string& name, Deadline deadline, Channel channel) override {
    if (!device_->holds(own)) return host_->all_gather(own, name, deadline, channel);
    check_contiguous(own, "all_gather", name);
    std::vector<int64_t> shape = own.sizes().vec();
    shape.insert(shape.begin(), size());
    at::Tensor all = at::empty(shape, own.options().requires_grad(false));
    if (own.numel() == 0) return all;
    const void* const from = own.data_ptr();
    void* const to = all.data_ptr();
    const auto bytes = own.nbytes();
    count_sent(channel, static_cast<int64_t>(bytes) * (size() - 1));
    submit(channel, "all_gather", name, deadline, {own, all}, [=](ncclComm_t comm, cudaStream_t stream) {
      return ncclAllGather(from, to, bytes, ncclUint8, comm, stream);
    }).wait();
    return all;
  }

  void broadcast(at::Tensor tensor, int root, const std::string& name, Deadline deadline, Channel channel) override {
    if (!device_->holds(tensor)) return host_->broadcast(std::move(tensor), root, name, deadline, channel);
    check_contiguous(tensor, "broadcast", name);
    check_root(root, size(), name);
    if (tensor.numel() == 0) return;
    void* const data = tensor.data_ptr();
    const auto bytes = tensor.nbytes();
    if (root == rank()) count_sent(channel, static_cast<int64_t>(bytes));
    submit(channel, "broadcast", name, deadline, {tensor}, [=](ncclComm_t comm, cudaStream_t stream) {
      return ncclBroadcast(data, data, bytes, ncclUint8, root, comm, stream);
    }).wait();
  }

  void exchange(const std::vector<at::Tensor>& outgoing, std::vector<at::Tensor>& incoming, const std::string& name, Deadline deadline,
                Channel channel) override {
    std::vector<at::Tensor> tensors;
    bool on_device = false, on_host = false;
    for (const auto* side : {&outgoing, static_cast<const std::vector<at::Tensor>*>(&incoming)})
      for (const auto& tensor : *side) {
        if (!tensor.defined()) continue;
        (device_->holds(tensor) ? on_device : on_host) = true;
        tensors.push_back(tensor);
      }
    if (on_device && on_host) throw Error(Fault::bug, "exchange '{}' mixes tensors of host and GPU", name);
    if (!on_device) return host_->exchange(outgoing, incoming, name, deadline, channel);
    // A rank with nothing to give or take cannot know that the others use their GPUs and went the other way just above: operations of
    // a channel are counted, so here one is counted too. Nothing is sent.
    std::vector<at::Tensor> nothing(size());
    host_->exchange(nothing, nothing, name, deadline, channel);
    if (static_cast<int>(outgoing.size()) != size() || static_cast<int>(incoming.size()) != size())
      throw Error(Fault::bug, "exchange '{}' has {} outgoing and {} incoming entries for {} ranks", name, outgoing.size(), incoming.size(), size());
    for (const auto& tensor : tensors) check_contiguous(tensor, "exchange", name);
    for (int r = 0; r < size(); ++r)
      if (r != rank() && outgoing[r].defined()) count_sent(channel, static_cast<int64_t>(outgoing[r].nbytes()));
    submit(channel, "exchange", name, deadline, tensors, [&](ncclComm_t comm, cudaStream_t stream) {
      ncclResult_t code = ncclSuccess;
      const auto add = [&](ncclResult_t more) {
        if (code == ncclSuccess || code == ncclInProgress) code = more;
      };
      for (int r = 0; r < size(); ++r) {
        if (outgoing[r].defined() && outgoing[r].numel() > 0) add(ncclSend(outgoing[r].data_ptr(), outgoing[r].nbytes(), ncclUint8, r, comm, stream));
        if (incoming[r].defined() && incoming[r].numel() > 0) add(ncclRecv(incoming[r].data_ptr(), incoming[r].nbytes(), ncclUint8, r, comm, stream));
      }
      return code;
    }).wait();
  }

  void barrier(const std::string& name, Deadline deadline) override {
    check_links();
    host_->barrier(name, deadline);
  }
  std::vector<std::string> gather_texts(const std::string& own, const std::string& name, Deadline deadline) override {
    check_links();
    return host_->gather_texts(own, name, deadline);
  }
  std::unique_ptr<Communicator> split(int color, const std::string& name, Deadline deadline) override {
    return make_nccl_communicator(host_->split(color, name, deadline), device_, deadline);
  }
  void relay_failure(const Error& error) noexcept override { host_->relay_failure(error); }
  void check_peers() override {
    check_links();
    host_->check_peers();
  }
  Traffic traffic() const override {
    Traffic all = host_->traffic();
    for (size_t c = 0; c < all.sent_bytes.size(); ++c) all.sent_bytes[c] += sent_.sent_bytes[c];
    return all;
  }
  void shut_down(Deadline deadline) override {
    statistics_->shut_down(deadline);
    gradients_->shut_down(deadline);
    host_->shut_down(deadline);
  }

 private:
  static void check_contiguous(const at::Tensor& tensor, const char* operation, const std::string& name) {
    if (!tensor.is_contiguous()) throw Error(Fault::bug, "{} '{}' needs a contiguous tensor", operation, name);
  }
  void check_links() {
    statistics_->check();
    gradients_->check();
  }
  // What NCCL's rings send; its own choice of algorithm may make it more.
  void count_sent(Channel channel, int64_t bytes) { sent_.sent_bytes[static_cast<size_t>(channel)] += bytes; }

  template <typename Calls>
  Work submit(Channel channel, const char* operation, const std::string& name, Deadline deadline, std::vector<at::Tensor> tensors, const Calls& calls) {
    check_peers();
    const bool is_small = channel == Channel::statistics || channel == Channel::control;
    const auto& link = is_small ? statistics_ : gradients_;
    const double mib = static_cast<double>(tensors[0].nbytes()) / (1024.0 * 1024.0);
    auto done = link->enqueue(fmt::format("{} '{}' ({:.2f} MiB on the GPU)", operation, name, mib), deadline, std::move(tensors), calls);
    return Work(std::make_shared<NcclWork>(link, device_, std::move(done)));
  }

  std::unique_ptr<Communicator> host_;
  std::shared_ptr<NcclDevice> device_;
  std::shared_ptr<NcclLink> statistics_, gradients_;  // a statistic must not wait behind gradients
  Traffic sent_;
};

}  // namespace

std::unique_ptr<Communicator> make_nccl_communicator(std::unique_ptr<Communicator> host, std::shared_ptr<NcclDevice> device, Deadline deadline) {
  return std::make_unique<NcclCommunicator>(std::move(host), std::move(device), deadline);
}

}  // namespace ganymede::comm
