// The NCCL communicator against the stand-in for NCCL and CUDA (comm/cuda_stand_in): ranks are threads, GPU memory is host memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include <atomic>
#include <latch>

#include "comm/communicator_checks.hpp"
#include "comm/cuda_stand_in/stand_in.hpp"
#include "comm/nccl_communicator.hpp"
#include "comm/thread_ranks.hpp"

namespace ganymede {
namespace {

using namespace std::chrono_literals;
using comm::Channel;
using comm::Communicator;
using comm::Work;
using ::testing::HasSubstr;

/// Takes a caller's tensors to the stand-in's memory and back, as parts of the compute stream, so that whoever does not wait for the
/// stream computes with zeros.
class OnDevice final : public Communicator {
 public:
  OnDevice(std::unique_ptr<Communicator> inner, std::shared_ptr<stand_in::Device> device) : inner_(std::move(inner)), device_(std::move(device)) {}
  int rank() const override { return inner_->rank(); }
  int size() const override { return inner_->size(); }
  const std::vector<std::string>& hosts() const override { return inner_->hosts(); }
  std::string backend() const override { return inner_->backend(); }

  Work all_reduce_sum_async(at::Tensor tensor, const std::string& name, Deadline deadline, Channel channel) override {
    struct Arrival final : Work::Pending {
      bool is_done() override { return work.is_done(); }
      void wait() override {
        work.wait();
        if (!has_arrived) fetch();
        has_arrived = true;
      }
      Work work;
      std::function<void()> fetch;
      bool has_arrived = false;
    };
    const auto there = send(tensor);
    auto arrival = std::make_shared<Arrival>();
    arrival->work = inner_->all_reduce_sum_async(there, name, deadline, channel);
    arrival->fetch = [this, there, tensor] { fetch(there, tensor); };
    return Work(arrival);
  }
  at::Tensor all_gather(const at::Tensor& own, const std::string& name, Deadline deadline, Channel channel) override {
    auto all = inner_->all_gather(send(own), name, deadline, channel);
    device_->synchronize();
    return all;
  }
  void broadcast(at::Tensor tensor, int root, const std::string& name, Deadline deadline, Channel channel) override {
    const auto there = send(tensor);
    inner_->broadcast(there, root, name, deadline, channel);
    fetch(there, tensor);
  }
  void exchange(const std::vector<at::Tensor>& outgoing, std::vector<at::Tensor>& incoming, const std::string& name, Deadline deadline,
                Channel channel) override {
    std::vector<at::Tensor> from, to;
    for (const auto& t : outgoing) from.push_back(t.defined() ? send(t) : t);
    for (const auto& t : incoming) to.push_back(t.defined() ? send(t) : t);
    inner_->exchange(from, to, name, deadline, channel);
    for (size_t r = 0; r < to.size(); ++r)
      if (to[r].defined()) fetch(to[r], incoming[r]);
  }
  void barrier(const std::string& name, Deadline deadline) override { inner_->barrier(name, deadline); }
  std::vector<std::string> gather_texts(const std::string& own, const std::string& name, Deadline deadline) override {
    return inner_->gather_texts(own, name, deadline);
  }
  std::unique_ptr<Communicator> split(int color, const std::string& name, Deadline deadline) override {
    return std::make_unique<OnDevice>(inner_->split(color, name, deadline), device_);
  }
  void relay_failure(const Error& error) noexcept override { inner_->relay_failure(error); }
  void check_peers() override { inner_->check_peers(); }
  comm::Traffic traffic() const override { return inner_->traffic(); }
  void shut_down(Deadline deadline) override { inner_->shut_down(deadline); }

 private:
  at::Tensor send(const at::Tensor& values) {
    auto there = stand_in::device_tensor(at::zeros_like(values));
    device_->compute([there, copy = values.clone()]() mutable { there.copy_(copy); });
    return there;
  }
  void fetch(const at::Tensor& there, at::Tensor here) {
    device_->compute([there, here]() mutable { here.copy_(there); });
    device_->synchronize();
  }
  std::unique_ptr<Communicator> inner_;
  std::shared_ptr<stand_in::Device> device_;
};

struct Rank {
  std::shared_ptr<stand_in::Device> device;
  std::unique_ptr<Communicator> comm;
};

Rank make_rank(Communicator& host) {
  auto device = std::make_shared<stand_in::Device>();
  return {device, comm::make_nccl_communicator(host.split(0, "all ranks", test::soon()), device, test::soon())};
}

class NcclStandIn : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override { stand_in::reset(); }
  void TearDown() override {
    EXPECT_EQ(stand_in::forbidden_calls(), 0);
    EXPECT_EQ(stand_in::communicators(), 0);
  }
  void on_all_ranks(const std::function<void(Communicator&)>& check) {
    comm::run_thread_ranks(GetParam(), [&](Communicator& host) {
      auto rank = make_rank(host);
      OnDevice on_device(std::move(rank.comm), rank.device);
      EXPECT_EQ(on_device.backend(), "threads+nccl");
      check(on_device);
      host.barrier("end of the check", test::soon());
    });
  }
};
INSTANTIATE_TEST_SUITE_P(Ranks, NcclStandIn, ::testing::Values(1, 2, 4));

TEST_P(NcclStandIn, Sums) { on_all_ranks(test::check_sums); }
TEST_P(NcclStandIn, StatisticsAmongGradients) { on_all_ranks(test::check_statistics_among_gradients); }
TEST_P(NcclStandIn, ManyOutstanding) { on_all_ranks(test::check_many_outstanding); }
TEST_P(NcclStandIn, GatherBroadcastBarrier) { on_all_ranks(test::check_gather_broadcast_barrier); }
TEST_P(NcclStandIn, Exchange) { on_all_ranks(test::check_exchange); }
TEST_P(NcclStandIn, Texts) { on_all_ranks(test::check_texts); }
TEST_P(NcclStandIn, Split) { on_all_ranks(test::check_split); }
TEST_P(NcclStandIn, RandomProgram) {
  const uint64_t seed = std::random_device()();
  on_all_ranks([&](Communicator& comm) { test::check_random_program(comm, seed); });
}

// The host does not wait: neither for the input, which the compute stream still makes, nor for the result.
TEST_P(NcclStandIn, NothingWaitsOnTheHost) {
  comm::run_thread_ranks(GetParam(), [](Communicator& host) {
    auto rank = make_rank(host);
    std::latch gate(1);
    auto x = stand_in::device_tensor(at::zeros({1000}));
    at::Tensor seen;
    rank.device->compute([&gate, x]() mutable {
      gate.wait();
      x.fill_(3.0);
    });
    const Work work = rank.comm->all_reduce_sum_async(x, "bucket", test::soon(), Channel::gradients);
    work.wait();
    rank.device->compute([&seen, x] { seen = x.clone(); });
    EXPECT_FALSE(work.is_done());
    gate.count_down();
    rank.device->synchronize();
    EXPECT_TRUE(work.is_done());
    EXPECT_TRUE(at::equal(seen, at::full({1000}, 3.0 * host.size())));
    host.barrier("end of the check", test::soon());
  });
}

TEST_P(NcclStandIn, HostTensorsGoThroughTheHost) {
  comm::run_thread_ranks(GetParam(), [](Communicator& host) {
    auto rank = make_rank(host);
    at::Tensor x = test::values_of(host.rank(), 1000, at::kFloat);
    rank.comm->all_reduce_sum(x, "on the host", test::soon());
    EXPECT_TRUE(test::same_bits(x, test::sum_of(host.size(), 1000, at::kFloat)));
    test::check_gather_broadcast_barrier(*rank.comm);
    host.barrier("end of the check", test::soon());
  });
}

// A rank with nothing to give or take does not know which way the others go; their next exchanges must still fit.
TEST_P(NcclStandIn, ExchangeThatDoesNotConcernARank) {
  comm::run_thread_ranks(GetParam(), [](Communicator& host) {
    auto rank = make_rank(host);
    const int n = host.size();
    for (int round = 0; round < 3; ++round) {
      const bool on_device = round % 2 == 0;
      const auto tensor = [&](double value) {
        const auto t = at::full({100}, value);
        return on_device ? stand_in::device_tensor(t) : t;
      };
      std::vector<at::Tensor> outgoing(n), incoming(n);
      if (n > 1 && host.rank() == 0) outgoing[1] = tensor(round + 1.0);
      if (n > 1 && host.rank() == 1) incoming[0] = tensor(0.0);
      rank.comm->exchange(outgoing, incoming, "slots", test::soon());
      rank.device->synchronize();
      if (n > 1 && host.rank() == 1) {
        EXPECT_TRUE(at::equal(incoming[0], at::full({100}, round + 1.0)));
      }
    }
    host.barrier("end of the check", test::soon());
  });
}

class NcclStandInFailure : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override { stand_in::reset(); }
  void TearDown() override {
    EXPECT_EQ(stand_in::forbidden_calls(), 0);
    EXPECT_EQ(stand_in::communicators(), 0);
  }
  Error failure_of(const std::function<void(Communicator&)>& body) {
    try {
      comm::run_thread_ranks(GetParam(), body);
    } catch (const Error& error) {
      return error;
    }
    throw std::logic_error("nothing was thrown");
  }
  static void poll_peers(Communicator& comm) {
    while (true) comm.check_peers();  // until it throws; the test's time limit is the deadline
  }
};
INSTANTIATE_TEST_SUITE_P(Ranks, NcclStandInFailure, ::testing::Values(2, 4));

TEST_P(NcclStandInFailure, DeadlineAbortsAndNamesTheOperation) {
  std::atomic<int> told{0};
  const Error error = failure_of([&](Communicator& host) {
    auto rank = make_rank(host);
    try {
      if (host.rank() == 1) poll_peers(*rank.comm);  // does not take part
      auto x = stand_in::device_tensor(at::ones({1 << 20}));
      rank.comm->all_reduce_sum_async(x, "discriminator bucket 2", Deadline::in(host.rank() == 0 ? 0.3s : 60s), Channel::gradients).wait();
      rank.device->synchronize();  // hangs as long as nobody aborts
      rank.comm->check_peers();
    } catch (const comm::PeerError& heard) {
      EXPECT_EQ(heard.fault(), Fault::peer);
      ++told;
      throw;
    }
  });
  EXPECT_EQ(error.fault(), Fault::peer);
  EXPECT_THAT(error.what(), HasSubstr("all_reduce 'discriminator bucket 2' (4.00 MiB on the GPU) passed its deadline of 0.3 s"));
  EXPECT_EQ(told, GetParam() - 1);
  EXPECT_GE(stand_in::aborts(), GetParam());
}

TEST_P(NcclStandInFailure, ErrorOfNcclItself) {
  const Error error = failure_of([&](Communicator& host) {
    auto rank = make_rank(host);
    host.barrier("all are connected", test::soon());
    if (host.rank() == 0) stand_in::lose_peers_of(0);
    if (host.rank() == 1) poll_peers(*rank.comm);
    auto x = stand_in::device_tensor(at::ones({100}));
    rank.comm->all_reduce_sum(x, "bucket", test::soon(), Channel::gradients);
    rank.device->synchronize();
    poll_peers(*rank.comm);
  });
  EXPECT_EQ(error.fault(), Fault::peer);
  EXPECT_THAT(error.what(), HasSubstr("all_reduce 'bucket'"));
  EXPECT_THAT(error.what(), HasSubstr("NCCL: remote error (stand-in)"));
}

TEST_P(NcclStandInFailure, FailureOfAnotherRankEndsWhatHangsOnTheDevice) {
  std::atomic<int> told{0};
  const Error error = failure_of([&](Communicator& host) {
    auto rank = make_rank(host);
    if (host.rank() == 1) throw Error(Fault::bad_data, "shard 7 is cut");
    try {
      auto x = stand_in::device_tensor(at::ones({100}));
      rank.comm->all_reduce_sum(x, "bucket", test::soon(), Channel::gradients);
      rank.device->synchronize();
      rank.comm->check_peers();
    } catch (const comm::PeerError& heard) {
      EXPECT_THAT(heard.what(), HasSubstr("shard 7 is cut"));
      ++told;
      throw;
    }
  });
  EXPECT_EQ(error.fault(), Fault::bad_data);
  EXPECT_EQ(told, GetParam() - 1);
}

TEST_P(NcclStandInFailure, RankThatDoesNotConnect) {
  const Error error = failure_of([&](Communicator& host) {
    auto all = host.split(0, "all ranks", test::soon());
    if (host.rank() == 1) poll_peers(host);
    comm::make_nccl_communicator(std::move(all), std::make_shared<stand_in::Device>(), Deadline::in(host.rank() == 0 ? 0.3s : 60s));
  });
  EXPECT_EQ(error.fault(), Fault::peer);
}

TEST_P(NcclStandInFailure, OldLibraryIsRefused) {
  stand_in::set_version(22512);
  const Error error = failure_of([&](Communicator& host) { make_rank(host); });
  EXPECT_EQ(error.fault(), Fault::launch);
  EXPECT_THAT(error.what(), HasSubstr("NCCL 2.25.12 is too old"));
}

}  // namespace
}  // namespace ganymede
