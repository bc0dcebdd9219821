#include "comm/engine_communicator.hpp"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/unsqueeze.h>

#include <algorithm>
#include <numeric>

#include "comm/checks.hpp"
#include "comm/piece_sum.hpp"
#include "comm/sums.hpp"
#include "comm/transfer.hpp"

namespace ganymede::comm {
namespace {

std::span<std::byte> bytes_of(const at::Tensor& tensor) { return {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()}; }

/// Up to here every rank sends all of its data to all others: one message's time instead of two, for at most 64 KiB more.
bool is_small_sum(int64_t bytes, int size) { return bytes <= inline_bytes_limit && bytes * (size - 1) <= 64 * 1024; }

class EngineCommunicator final : public Communicator {
 public:
  EngineCommunicator(std::shared_ptr<Engine> engine, std::string backend, std::shared_ptr<Group> group)
      : engine_(std::move(engine)), backend_(std::move(backend)), group_(std::move(group)) {}

  int rank() const override { return group_->own; }
  int size() const override { return group_->size(); }
  const std::vector<std::string>& hosts() const override { return group_->hosts; }
  std::string backend() const override { return backend_; }

  Work all_reduce_sum_async(at::Tensor tensor, const std::string& name, Deadline deadline, Channel channel) override;
  at::Tensor all_gather(const at::Tensor& own, const std::string& name, Deadline deadline, Channel channel) override;
  void broadcast(at::Tensor tensor, int root, const std::string& name, Deadline deadline, Channel channel) override;
  void exchange(const std::vector<at::Tensor>& outgoing, std::vector<at::Tensor>& incoming, const std::string& name, Deadline deadline,
                Channel channel) override;
  void barrier(const std::string& name, Deadline deadline) override;
  std::vector<std::string> gather_texts(const std::string& own, const std::string& name, Deadline deadline) override;
  std::unique_ptr<Communicator> split(int color, const std::string& name, Deadline deadline) override;

  void relay_failure(const Error& error) noexcept override {
    const std::string unknown = "an unknown host";
    engine_->relay_failure(error, group_->hosts.empty() ? unknown : group_->hosts[group_->own]);
  }
  void check_peers() override { engine_->check_peers(); }
  void enter(Section section) override { engine_->enter(section); }
  void learn_deadlines(double floor_s, double longest_s) override { engine_->learn_deadlines(floor_s, longest_s); }
  Traffic traffic() const override { return engine_->traffic(); }
  void shut_down(Deadline deadline) override {
    if (group_->context != 0) throw Error(Fault::bug, "only the communicator of all ranks can be shut down");
    barrier("end of communication", deadline);
    engine_->shut_down(deadline);
  }

  void set_hosts(std::vector<std::string> hosts) {
    auto known = std::make_shared<Group>(*group_);
    known->hosts = std::move(hosts);
    group_ = std::move(known);
  }

 private:
  OperationInfo info(OperationKind kind, const std::string& name, Channel channel, int64_t bytes, Deadline deadline) {
    return {.kind = kind, .name = name, .channel = channel, .bytes = bytes, .sequence = next_sequence_[static_cast<size_t>(channel)]++, .deadline = deadline};
  }
  template <typename Action>
  void for_each_peer(Action action) {
    for (int peer = 0; peer < size(); ++peer)
      if (peer != rank()) action(peer);
  }
  Work submit(std::shared_ptr<Operation> operation) {
    engine_->submit(operation);
    return Work(std::make_shared<EngineWork>(engine_, std::move(operation)));
  }

  std::shared_ptr<Engine> engine_;
  std::string backend_;
  std::shared_ptr<const Group> group_;
  std::array<uint64_t, channel_count> next_sequence_{};
};

Work EngineCommunicator::all_reduce_sum_async(at::Tensor tensor, const std::string& name, Deadline deadline, Channel channel) {
  check_summable(tensor, name);
  engine_->check_peers();
  if (size() == 1) return {};
  const auto bytes = static_cast<int64_t>(tensor.nbytes());
  OperationInfo about = info(OperationKind::all_reduce, name, channel, bytes, deadline);
  about.type = static_cast<int16_t>(tensor.scalar_type());
  if (!is_small_sum(bytes, size())) return submit(std::make_shared<PieceSum>(group_, std::move(about), std::move(tensor)));

  const at::Tensor parts = at::empty({size() * bytes}, at::kByte);
  auto operation = std::make_shared<Transfer>(group_, std::move(about), std::vector<at::Tensor>{tensor, parts});
  for_each_peer([&](int peer) {
    operation->send_to(peer, bytes_of(tensor));
    operation->receive_from(peer, bytes_of(parts).subspan(peer * bytes, bytes));
  });
  operation->when_complete([tensor, parts, ranks = size(), own = rank(), bytes] {
    std::vector<const std::byte*> sources(ranks);
    for (int r = 0; r < ranks; ++r) sources[r] = r == own ? bytes_of(tensor).data() : bytes_of(parts).data() + r * bytes;
    sum_in_tree(tensor.scalar_type(), bytes_of(tensor).data(), sources, tensor.numel());
  });
  return submit(std::move(operation));
}

at::Tensor EngineCommunicator::all_gather(const at::Tensor& own, const std::string& name, Deadline deadline, Channel channel) {
  check_tensor(own, "all_gather", name);
  engine_->check_peers();
  std::vector<int64_t> shape = own.sizes().vec();
  shape.insert(shape.begin(), size());
  at::Tensor all = at::empty(shape, own.options().requires_grad(false));
  const auto bytes = static_cast<int64_t>(own.nbytes());
  if (bytes > 0) std::memcpy(bytes_of(all).data() + rank() * bytes, own.data_ptr(), bytes);
  if (size() == 1) return all;
  OperationInfo about = info(OperationKind::all_gather, name, channel, bytes, deadline);
  about.type = static_cast<int16_t>(own.scalar_type());
  auto operation = std::make_shared<Transfer>(group_, std::move(about), std::vector<at::Tensor>{own, all});
  for_each_peer([&](int peer) {
    operation->send_to(peer, bytes_of(own));
    operation->receive_from(peer, bytes_of(all).subspan(peer * bytes, bytes));
  });
  submit(std::move(operation)).wait();
  return all;
}

void EngineCommunicator::broadcast(at::Tensor tensor, int root, const std::string& name, Deadline deadline, Channel channel) {
  check_tensor(tensor, "broadcast", name);
  check_root(root, size(), name);
  engine_->check_peers();
  if (size() == 1) return;
  OperationInfo about = info(OperationKind::broadcast, name, channel, static_cast<int64_t>(tensor.nbytes()), deadline);
  about.type = static_cast<int16_t>(tensor.scalar_type());
  auto operation = std::make_shared<Transfer>(group_, std::move(about), std::vector<at::Tensor>{tensor});
  if (rank() == root) {
    for_each_peer([&](int peer) { operation->send_to(peer, bytes_of(tensor)); });
  } else {
    operation->receive_from(root, bytes_of(tensor));
  }
  submit(std::move(operation)).wait();
}

void EngineCommunicator::exchange(const std::vector<at::Tensor>& outgoing, std::vector<at::Tensor>& incoming, const std::string& name, Deadline deadline,
                                  Channel channel) {
  check_exchange(outgoing, incoming, rank(), size(), name);
  engine_->check_peers();
  if (outgoing[rank()].defined()) std::memcpy(incoming[rank()].data_ptr(), outgoing[rank()].data_ptr(), outgoing[rank()].nbytes());
  if (size() == 1) return;
  int64_t bytes = 0;
  std::vector<at::Tensor> tensors = outgoing;
  tensors.insert(tensors.end(), incoming.begin(), incoming.end());
  for_each_peer([&](int peer) { bytes += outgoing[peer].defined() ? static_cast<int64_t>(outgoing[peer].nbytes()) : 0; });
  OperationInfo about = info(OperationKind::exchange, name, channel, bytes, deadline);
  about.same_bytes = false;
  auto operation = std::make_shared<Transfer>(group_, std::move(about), std::move(tensors));
  for_each_peer([&](int peer) {
    if (outgoing[peer].defined()) operation->send_to(peer, bytes_of(outgoing[peer]));
    if (incoming[peer].defined()) operation->receive_from(peer, bytes_of(incoming[peer]));
  });
  submit(std::move(operation)).wait();
}

void EngineCommunicator::barrier(const std::string& name, Deadline deadline) {
  engine_->check_peers();
  if (size() == 1) return;
  auto operation = std::make_shared<Transfer>(group_, info(OperationKind::barrier, name, Channel::control, 0, deadline));
  for_each_peer([&](int peer) {
    operation->send_to(peer, {});
    operation->receive_from(peer, {});
  });
  submit(std::move(operation)).wait();
}

std::vector<std::string> EngineCommunicator::gather_texts(const std::string& own, const std::string& name, Deadline deadline) {
  engine_->check_peers();
  std::vector<std::string> texts(size());
  texts[rank()] = own;
  if (size() == 1) return texts;
  OperationInfo about = info(OperationKind::gather_texts, name, Channel::control, static_cast<int64_t>(own.size()), deadline);
  about.same_bytes = false;
  // The text outlives the call even if the wait throws: the network may still be reading it.
  const at::Tensor copy = at::empty({static_cast<int64_t>(own.size())}, at::kByte);
  if (!own.empty()) std::memcpy(copy.data_ptr(), own.data(), own.size());
  auto operation = std::make_shared<Transfer>(group_, std::move(about), std::vector<at::Tensor>{copy});
  for_each_peer([&](int peer) {
    operation->send_to(peer, bytes_of(copy));
    operation->receive_from(peer, {});
  });
  submit(operation).wait();
  for_each_peer([&](int peer) { texts[peer] = operation->take_text(peer); });
  return texts;
}

std::unique_ptr<Communicator> EngineCommunicator::split(int color, const std::string& name, Deadline deadline) {
  // A new communicator is a subset of ranks with tags of its own; no MPI call is needed. All members take the same number for it:
  // the first that none of them has used.
  at::Tensor own = at::empty({2}, at::kLong);
  own.data_ptr<int64_t>()[0] = color;
  own.data_ptr<int64_t>()[1] = engine_->next_context;
  const at::Tensor all = all_gather(own, name, deadline, Channel::control);
  auto group = std::make_shared<Group>();
  int64_t context = 0;
  for (int r = 0; r < size(); ++r) {
    const int64_t* entry = all.data_ptr<int64_t>() + 2 * r;
    context = std::max(context, entry[1]);
    if (entry[0] != color) continue;
    if (r == rank()) group->own = group->size();
    group->world_ranks.push_back(group_->world_ranks[r]);
    if (!group_->hosts.empty()) group->hosts.push_back(group_->hosts[r]);
  }
  if ((context + 1) * Wire::tags_per_context > engine_->tag_count()) {
    throw Error(Fault::bug, "split '{}': the network has tags for only {} communicators", name, engine_->tag_count() / Wire::tags_per_context);
  }
  engine_->next_context = static_cast<int>(context) + 1;
  group->context = static_cast<int>(context);
  return std::make_unique<EngineCommunicator>(engine_, backend_, std::move(group));
}

}  // namespace

std::unique_ptr<Communicator> make_communicator(std::shared_ptr<Engine> engine, std::string backend, Deadline deadline) {
  auto group = std::make_shared<Group>();
  group->own = engine->rank();
  group->world_ranks.resize(engine->size());
  std::iota(group->world_ranks.begin(), group->world_ranks.end(), 0);
  auto communicator = std::make_unique<EngineCommunicator>(std::move(engine), std::move(backend), std::move(group));
  communicator->set_hosts(communicator->gather_texts(host_name(), "host names", deadline));
  return communicator;
}

}  // namespace ganymede::comm
