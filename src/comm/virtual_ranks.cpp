#include "comm/virtual_ranks.hpp"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/stack.h>

#include <bit>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "comm/checks.hpp"
#include "comm/first_failure.hpp"
#include "comm/sums.hpp"

namespace ganymede::comm {
namespace {

constexpr std::chrono::seconds grace{6};  // longer than what an operation over processes takes to report its own passed deadline

/// One operation of all virtual ranks of this process: the last to come does it for all.
struct Round {
  std::string name;
  std::vector<at::Tensor> tensors;  // by local rank: what each brought
  std::vector<std::vector<at::Tensor>> outgoing, incoming;  // of an exchange
  std::vector<std::string> texts;
  int arrived = 0, left = 0;
  // From the one who did it:
  bool is_under_way = false;
  Work work;                         // over processes
  at::Tensor result;
  std::vector<std::string> all_texts;
};

/// Where the virtual ranks of one process meet.
class Hub {
 public:
  Hub(Communicator& processes, int local) : processes_(processes), local_(local) {}
  Communicator& processes() { return processes_; }
  int local() const { return local_; }

  using Key = std::pair<int, uint64_t>;  // channel, number on it
  /// `bring` adds one rank's part; the last to come runs `act` and lets the others go on.
  std::shared_ptr<Round> join(Key key, const std::string& name, const std::function<void(Round&)>& bring, const std::function<void(Round&)>& act) {
    std::shared_ptr<Round> round;
    {
      std::lock_guard lock(mutex_);
      throw_failure_locked();
      auto& slot = rounds_[key];
      if (!slot) {
        slot = std::make_shared<Round>();
        slot->name = name;
        slot->tensors.resize(local_), slot->texts.resize(local_), slot->outgoing.resize(local_), slot->incoming.resize(local_);
      }
      round = slot;
      if (round->name != name)
        throw Error(Fault::bug, "virtual ranks of one process call '{}' and '{}' at the same place", round->name, name);
      bring(*round);
      if (++round->arrived < local_) return round;
      rounds_.erase(key);
    }
    act(*round);
    std::lock_guard lock(mutex_);
    round->is_under_way = true;
    changed_.notify_all();
    return round;
  }
  void wait_for_start(Round& round, Deadline deadline) {
    std::unique_lock lock(mutex_);
    const bool in_time = changed_.wait_until(lock, deadline.moment() + grace, [&] { return round.is_under_way || failure_; });
    if (round.is_under_way) return;
    throw_failure_locked();
    if (!in_time) throw Error(Fault::peer, "'{}' passed its deadline of {:g} s", round.name, deadline.span_s()).cause("a virtual rank of this process never arrived");
  }
  bool is_under_way(Round& round) {
    std::lock_guard lock(mutex_);
    return round.is_under_way;
  }
  void fail(const Error& error) {
    std::lock_guard lock(mutex_);
    if (!failure_) failure_ = error;
    changed_.notify_all();
  }
  void check() {
    std::lock_guard lock(mutex_);
    throw_failure_locked();
  }

 private:
  void throw_failure_locked() {
    if (failure_) throw PeerError(*failure_);
  }
  Communicator& processes_;
  int local_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Key, std::shared_ptr<Round>> rounds_;  // those that not all have joined
  std::optional<Error> failure_;
};

class SumWork final : public Work::Pending {
 public:
  SumWork(Hub& hub, std::shared_ptr<Round> round, at::Tensor tensor, Deadline deadline)
      : hub_(hub), round_(std::move(round)), tensor_(std::move(tensor)), deadline_(deadline) {}
  bool is_done() override { return !round_ || (hub_.is_under_way(*round_) && round_->work.is_done()); }
  void wait() override {
    if (!round_) return;
    hub_.wait_for_start(*round_, deadline_);
    round_->work.wait();
    const at::NoGradGuard no_graph;
    tensor_.copy_(round_->result);
    round_.reset();
  }

 private:
  Hub& hub_;
  std::shared_ptr<Round> round_;
  at::Tensor tensor_;
  Deadline deadline_;
};

class VirtualCommunicator final : public Communicator {
 public:
  VirtualCommunicator(Hub& hub, int local_rank) : hub_(hub), local_rank_(local_rank) {
    for (const auto& host : hub.processes().hosts())
      for (int i = 0; i < hub.local(); ++i) hosts_.push_back(host);
  }
  int rank() const override { return hub_.processes().rank() * hub_.local() + local_rank_; }
  int size() const override { return hub_.processes().size() * hub_.local(); }
  const std::vector<std::string>& hosts() const override { return hosts_; }
  bool leads_process() const override { return local_rank_ == 0; }
  std::string backend() const override { return "virtual ranks over " + hub_.processes().backend(); }

  Work all_reduce_sum_async(at::Tensor tensor, const std::string& name, Deadline deadline, Channel channel) override {
    check_summable(tensor, name);
    auto round = hub_.join(next(channel), name, [&](Round& r) { r.tensors[local_rank_] = tensor; }, [&](Round& r) {
      // bfloat16 is rounded once, after the sum over processes.
      const auto type = tensor.scalar_type() == at::kBFloat16 ? at::kFloat : tensor.scalar_type();
      r.result = at::empty_like(tensor, tensor.options().dtype(type).requires_grad(false));
      std::vector<const std::byte*> parts;
      for (auto& part : r.tensors) {
        check_same(part, tensor, name);
        part = part.to(type);
        parts.push_back(static_cast<const std::byte*>(part.data_ptr()));
      }
      sum_in_tree(type, static_cast<std::byte*>(r.result.data_ptr()), parts, tensor.numel());
      r.tensors.clear();
      r.work = hub_.processes().all_reduce_sum_async(r.result, name, deadline, channel);
    });
    return Work(std::make_shared<SumWork>(hub_, std::move(round), std::move(tensor), deadline));
  }

  at::Tensor all_gather(const at::Tensor& own, const std::string& name, Deadline deadline, Channel channel) override {
    check_tensor(own, "all_gather", name);
    const auto round = joined(channel, name, deadline, [&](Round& r) { r.tensors[local_rank_] = own; }, [&](Round& r) {
      for (const auto& part : r.tensors) check_same(part, own, name);
      r.result = hub_.processes().all_gather(at::stack(r.tensors), name, deadline, channel).flatten(0, 1);
    });
    return round->result.clone();
  }

  void broadcast(at::Tensor tensor, int root, const std::string& name, Deadline deadline, Channel channel) override {
    check_tensor(tensor, "broadcast", name);
    check_root(root, size(), name);
    const int root_process = root / hub_.local();
    const auto round = joined(channel, name, deadline, [&](Round& r) { r.tensors[local_rank_] = tensor; }, [&](Round& r) {
      r.result = r.tensors[hub_.processes().rank() == root_process ? root % hub_.local() : 0].clone();
      hub_.processes().broadcast(r.result, root_process, name, deadline, channel);
    });
    check_same(round->result, tensor, name);
    std::memcpy(tensor.data_ptr(), round->result.data_ptr(), tensor.nbytes());
  }

  void exchange(const std::vector<at::Tensor>& outgoing, std::vector<at::Tensor>& incoming, const std::string& name, Deadline deadline,
                Channel channel) override {
    check_exchange(outgoing, incoming, rank(), size(), name);
    const auto bring = [&](Round& r) { r.outgoing[local_rank_] = outgoing, r.incoming[local_rank_] = incoming; };
    joined(channel, name, deadline, bring, [&](Round& r) { exchange_over_processes(r, name, deadline, channel); });
  }

  void barrier(const std::string& name, Deadline deadline) override {
    joined(Channel::control, name, deadline, [](Round&) {}, [&](Round&) { hub_.processes().barrier(name, deadline); });
  }

  std::vector<std::string> gather_texts(const std::string& own, const std::string& name, Deadline deadline) override {
    const auto round = joined(Channel::control, name, deadline, [&](Round& r) { r.texts[local_rank_] = own; }, [&](Round& r) {
      r.all_texts.resize(size());
      for (int i = 0; i < hub_.local(); ++i) {
        const auto texts = hub_.processes().gather_texts(r.texts[i], name, deadline);
        for (size_t p = 0; p < texts.size(); ++p) r.all_texts[p * hub_.local() + i] = texts[p];
      }
    });
    return round->all_texts;
  }

  std::unique_ptr<Communicator> split(int, const std::string& name, Deadline) override {
    throw Error(Fault::bug, "split '{}': virtual ranks are not split", name);
  }
  void relay_failure(const Error& error) noexcept override {
    hub_.fail(error);
    hub_.processes().relay_failure(error);
  }
  void check_peers() override {
    hub_.check();
    hub_.processes().check_peers();
  }
  void enter(Section section) override {
    if (leads_process()) hub_.processes().enter(section);
  }
  void learn_deadlines(double floor_s, double longest_s) override {
    if (leads_process()) hub_.processes().learn_deadlines(floor_s, longest_s);
  }
  Traffic traffic() const override { return hub_.processes().traffic(); }
  void shut_down(Deadline deadline) override { barrier("end of virtual ranks", deadline); }  // the processes' own ends with them

 private:
  Hub::Key next(Channel channel) { return {static_cast<int>(channel), next_[static_cast<size_t>(channel)]++}; }
  std::shared_ptr<Round> joined(Channel channel, const std::string& name, Deadline deadline, const std::function<void(Round&)>& bring,
                                const std::function<void(Round&)>& act) {
    auto round = hub_.join(next(channel), name, bring, act);
    hub_.wait_for_start(*round, deadline);
    return round;
  }
  static void check_same(const at::Tensor& a, const at::Tensor& b, const std::string& name) {
    if (a.scalar_type() != b.scalar_type() || a.nbytes() != b.nbytes())
      throw Error(Fault::bug, "virtual ranks bring {} B and {} B to '{}'", a.nbytes(), b.nbytes(), name);
  }

  // All that goes from this process to another in one message: by sender, then by receiver.
  void exchange_over_processes(Round& r, const std::string& name, Deadline deadline, Channel channel) {
    const int local = hub_.local(), processes = hub_.processes().size();
    const auto bytes_between = [&](const std::vector<std::vector<at::Tensor>>& side, int process) {
      int64_t bytes = 0;
      for (int i = 0; i < local; ++i)
        for (int j = 0; j < local; ++j)
          if (const auto& t = side[i][process * local + j]; t.defined()) bytes += static_cast<int64_t>(t.nbytes());
      return bytes;
    };
    std::vector<at::Tensor> out(processes), in(processes);
    for (int p = 0; p < processes; ++p) {
      if (const auto bytes = bytes_between(r.outgoing, p)) out[p] = at::empty({bytes}, at::kByte);
      if (const auto bytes = bytes_between(r.incoming, p)) in[p] = at::empty({bytes}, at::kByte);
      auto* place = out[p].defined() ? static_cast<std::byte*>(out[p].data_ptr()) : nullptr;
      for (int i = 0; i < local; ++i)
        for (int j = 0; j < local; ++j)
          if (const auto& t = r.outgoing[i][p * local + j]; t.defined()) std::memcpy(place, t.data_ptr(), t.nbytes()), place += t.nbytes();
    }
    hub_.processes().exchange(out, in, name, deadline, channel);
    for (int p = 0; p < processes; ++p) {
      const auto* place = in[p].defined() ? static_cast<const std::byte*>(in[p].data_ptr()) : nullptr;
      for (int i = 0; i < local; ++i)
        for (int j = 0; j < local; ++j)
          if (const auto& t = r.incoming[j][p * local + i]; t.defined()) std::memcpy(t.data_ptr(), place, t.nbytes()), place += t.nbytes();
    }
  }

  Hub& hub_;
  int local_rank_;
  std::vector<std::string> hosts_;
  std::array<uint64_t, channel_count> next_{};
};

}  // namespace

void run_virtual_ranks(Communicator& processes, int ranks, const std::function<void(Communicator&)>& body) {
  const int local = ranks / processes.size();
  if (ranks % processes.size() != 0 || local == 0 || !std::has_single_bit(static_cast<unsigned>(local)))
    throw Error(Fault::recipe, "parallel.virtual_ranks = {} is not {} processes times a power of two", ranks, processes.size())
        .remedy("start 1, 2, 4, … processes of them each holding as many");
  Hub hub(processes, local);
  FirstFailure failure;
  const auto run = [&](int index) {
    at::set_num_threads(1);  // a product's bits depend on how many threads share it
    VirtualCommunicator communicator(hub, index);
    try {
      body(communicator);
    } catch (const PeerError& error) {
      failure.note(std::current_exception(), true);
      hub.fail(error);  // heard through the processes' communicator; who waits here has not
    } catch (const Error& error) {
      failure.note(std::current_exception(), false);
      communicator.relay_failure(error);
    } catch (const std::exception& error) {
      failure.note(std::current_exception(), false);
      communicator.relay_failure(Error(Fault::bug, "{}", error.what()));
    }
  };
  std::vector<std::thread> threads;
  for (int index = 1; index < local; ++index) threads.emplace_back(run, index);
  run(0);
  for (auto& thread : threads) thread.join();
  failure.rethrow_if_any();
}

}  // namespace ganymede::comm
