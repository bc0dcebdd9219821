// What every backend must do, written once: called with ranks as threads and with ranks as MPI processes. Each function is
// collective and reports through GoogleTest on every rank.
#pragma once
#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include <chrono>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "comm/communicator.hpp"

namespace ganymede::test {
using comm::Channel;
using comm::Communicator;
using comm::Work;

inline Deadline soon() { return Deadline::in(std::chrono::seconds(60)); }

/// Every rank can compute every rank's values: random bits from (rank, element count, salt).
inline at::Tensor values_of(int rank, int64_t elements, at::ScalarType type, uint64_t salt = 0) {
  std::mt19937_64 random(static_cast<uint64_t>(rank) * 1000003 + static_cast<uint64_t>(elements) * 7919 + salt);
  at::Tensor values = at::empty({elements}, at::kDouble);
  for (int64_t i = 0; i < elements; ++i) {
    // Very different magnitudes, so that another order of summation gives other bits.
    const double mantissa = static_cast<double>(random() >> 11) * 0x1p-52 - 1.0;
    values.data_ptr<double>()[i] = std::ldexp(mantissa, static_cast<int>(random() % 16));
  }
  if (type == at::kLong) return values.mul(1e12).to(at::kLong);
  return values.to(type);
}

/// The definition: ((x_0 + x_1) + x_2) + …, bfloat16 in float32 with one rounding.
inline at::Tensor sum_of(int ranks, int64_t elements, at::ScalarType type, uint64_t salt = 0) {
  const bool is_bf16 = type == at::kBFloat16;
  // Neighbours first, then neighbouring pairs, and so on; whoever has no neighbour waits.
  std::vector<at::Tensor> sums;
  for (int r = 0; r < ranks; ++r) sums.push_back(values_of(r, elements, type, salt).to(is_bf16 ? at::kFloat : type));
  while (sums.size() > 1) {
    std::vector<at::Tensor> pairs;
    for (size_t i = 0; i < sums.size(); i += 2) pairs.push_back(i + 1 < sums.size() ? sums[i] + sums[i + 1] : sums[i]);
    sums = std::move(pairs);
  }
  const at::Tensor sum = sums[0];
  return sum.to(type);
}

/// Equal bits, NaN and signed zero included.
inline bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() && (a.numel() == 0 || std::memcmp(a.data_ptr(), b.data_ptr(), a.nbytes()) == 0);
}

/// Sizes from none to several pieces, all types, each channel: exact against the sum in the tree's order computed here, and repeatable.
inline void check_sums(Communicator& comm) {
  for (const int64_t elements : {int64_t{0}, int64_t{1}, int64_t{3}, int64_t{1000}, int64_t{5003}, int64_t{65537}, (int64_t{1} << 20) + 5}) {
    for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kLong, at::kBFloat16}) {
      const at::Tensor expected = sum_of(comm.size(), elements, type);
      const int repetitions = elements <= 65537 ? 3 : 1;
      for (int repetition = 0; repetition < repetitions; ++repetition) {
        at::Tensor x = values_of(comm.rank(), elements, type);
        comm.all_reduce_sum(x, "test sum", soon(), static_cast<Channel>(repetition % comm::channel_count));
        EXPECT_TRUE(same_bits(x, expected)) << elements << " elements of " << at::toString(type) << ", rank " << comm.rank() << " of " << comm.size();
      }
    }
  }
}

/// Statistics issued while large gradients are in flight.
inline void check_statistics_among_gradients(Communicator& comm) {
  constexpr int64_t big = 3 * (int64_t{1} << 20) + 1;
  for (int round = 0; round < 3; ++round) {
    std::vector<at::Tensor> gradients;
    std::vector<Work> works;
    for (int i = 0; i < 3; ++i) {
      gradients.push_back(at::full({big}, comm.rank() + 1.0 + i, at::kFloat));
      works.push_back(comm.all_reduce_sum_async(gradients.back(), "big gradient", soon(), Channel::gradients));
    }
    for (int i = 0; i < 20; ++i) {
      at::Tensor statistic = values_of(comm.rank(), 100, at::kDouble, i);
      comm.all_reduce_sum(statistic, "statistic", soon());
      EXPECT_TRUE(same_bits(statistic, sum_of(comm.size(), 100, at::kDouble, i)));
    }
    const int ranks = comm.size();
    for (int i = 0; i < 3; ++i) {
      works[i].wait();
      EXPECT_TRUE(works[i].is_done());
      EXPECT_TRUE(at::equal(gradients[i], at::full({big}, ranks * (ranks + 1) / 2.0 + ranks * i, at::kFloat)));
    }
  }
}

inline void check_many_outstanding(Communicator& comm) {
  std::vector<at::Tensor> tensors;
  std::vector<Work> works;
  for (int i = 0; i < 1500; ++i) {  // more than there are tags for one channel
    const int64_t elements = i % 50 == 0 ? 40000 : i % 7;
    tensors.push_back(values_of(comm.rank(), elements, at::kFloat, i));
    works.push_back(comm.all_reduce_sum_async(tensors.back(), "one of many", soon(), static_cast<Channel>(i % 3)));
  }
  for (size_t i = works.size(); i-- > 0;) works[i].wait();
  for (size_t i = 0; i < works.size(); ++i) EXPECT_TRUE(same_bits(tensors[i], sum_of(comm.size(), tensors[i].numel(), at::kFloat, i))) << i;
}

inline void check_gather_broadcast_barrier(Communicator& comm) {
  for (const int64_t elements : {0, 1, 5, 4096, 300001}) {
    const at::Tensor all = comm.all_gather(values_of(comm.rank(), elements, at::kFloat).reshape({elements, 1}), "gathered", soon());
    EXPECT_EQ(all.sizes(), at::IntArrayRef({comm.size(), elements, 1}));
    for (int r = 0; r < comm.size(); ++r) EXPECT_TRUE(same_bits(all[r].reshape({elements}), values_of(r, elements, at::kFloat)));
    for (int root = 0; root < comm.size(); ++root) {
      at::Tensor x = values_of(comm.rank(), elements, at::kFloat);
      comm.broadcast(x, root, "broadcast", soon());
      EXPECT_TRUE(same_bits(x, values_of(root, elements, at::kFloat))) << "from " << root;
    }
    comm.barrier("between", soon());
  }
}

inline void check_exchange(Communicator& comm) {
  // From r to s go (r + 2 s) elements, nothing where r + s is a multiple of 3, and once many pieces.
  const auto elements = [](int from, int to) { return from == 0 && to == 1 ? int64_t{1} << 20 : int64_t{from + 2 * to}; };
  const auto goes = [](int from, int to) { return (from + to) % 3 != 0; };
  std::vector<at::Tensor> outgoing(comm.size()), incoming(comm.size());
  for (int r = 0; r < comm.size(); ++r) {
    if (goes(comm.rank(), r)) outgoing[r] = values_of(comm.rank(), elements(comm.rank(), r), at::kFloat, r);
    if (goes(r, comm.rank())) incoming[r] = at::zeros({elements(r, comm.rank())}, at::kFloat);
  }
  comm.exchange(outgoing, incoming, "exchange", soon());
  for (int r = 0; r < comm.size(); ++r) {
    if (!goes(r, comm.rank())) continue;
    EXPECT_TRUE(same_bits(incoming[r], values_of(r, elements(r, comm.rank()), at::kFloat, comm.rank())));
  }
}

inline void check_texts(Communicator& comm) {
  const auto text_of = [](int rank) { return rank == 0 ? std::string() : std::string(rank == 1 ? 400000 : rank * 11, static_cast<char>('a' + rank % 26)); };
  const auto texts = comm.gather_texts(text_of(comm.rank()), "texts", soon());
  ASSERT_EQ(static_cast<int>(texts.size()), comm.size());
  for (int r = 0; r < comm.size(); ++r) EXPECT_EQ(texts[r], text_of(r));
  EXPECT_EQ(static_cast<int>(comm.hosts().size()), comm.size());
  EXPECT_FALSE(comm.hosts()[0].empty());
}

inline void check_split(Communicator& comm) {
  for (int round = 0; round < 2; ++round) {
    const auto part = comm.split(comm.rank() % 2, "odd and even", soon());
    EXPECT_EQ(part->size(), (comm.size() + 1 - comm.rank() % 2) / 2);
    EXPECT_EQ(part->rank(), comm.rank() / 2);
    EXPECT_EQ(static_cast<int>(part->hosts().size()), part->size());
    // The part and the whole at once, on one channel.
    at::Tensor whole_sum = at::full({100000}, comm.rank() + 1.0, at::kDouble);
    const Work whole = comm.all_reduce_sum_async(whole_sum, "whole", soon(), Channel::gradients);
    at::Tensor sum = at::full({100000}, comm.rank() + 1.0, at::kDouble);
    part->all_reduce_sum(sum, "part", soon(), Channel::gradients);
    double expected = 0;
    for (int r = comm.rank() % 2; r < comm.size(); r += 2) expected += r + 1.0;
    EXPECT_TRUE(at::equal(sum, at::full({100000}, expected, at::kDouble)));
    whole.wait();
    EXPECT_TRUE(at::equal(whole_sum, at::full({100000}, comm.size() * (comm.size() + 1) / 2.0, at::kDouble)));
    // A part of a part.
    const auto alone = part->split(part->rank(), "alone", soon());
    EXPECT_EQ(alone->size(), 1);
  }
}

inline void check_traffic(Communicator& comm) {
  comm.barrier("before counting", soon());
  const auto before = comm.traffic();
  at::Tensor small = at::ones({10}, at::kFloat), large = at::ones({1 << 20}, at::kFloat);
  comm.all_reduce_sum(small, "small", soon(), Channel::statistics);
  comm.all_reduce_sum(large, "large", soon(), Channel::gradients);
  const auto after = comm.traffic();
  const int64_t peers = comm.size() - 1;
  EXPECT_EQ(after.sent_bytes[0] - before.sent_bytes[0], 40 * peers);
  // Parts of what others own and results of what we own: together 2 (R - 1) / R of the tensor, within one piece for each peer.
  const double share = 2.0 * static_cast<double>(peers) / comm.size() * (1 << 22);
  EXPECT_NEAR(static_cast<double>(after.sent_bytes[2] - before.sent_bytes[2]), share, 256.0 * 1024 * static_cast<double>(peers));
}

/// A random program of operations, the same on all ranks, waited for in random order.
inline void check_random_program(Communicator& comm, uint64_t seed) {
  SCOPED_TRACE("random program, seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  struct Pending {
    at::Tensor tensor;
    Work work;
    uint64_t salt;
  };
  std::vector<Pending> pending;
  const auto settle_one = [&](size_t index) {
    Pending one = std::move(pending[index]);
    pending.erase(pending.begin() + static_cast<int64_t>(index));
    one.work.wait();
    EXPECT_TRUE(same_bits(one.tensor, sum_of(comm.size(), one.tensor.numel(), one.tensor.scalar_type(), one.salt)));
  };
  constexpr at::ScalarType types[] = {at::kFloat, at::kDouble, at::kLong, at::kBFloat16};
  for (uint64_t step = 0; step < 120; ++step) {
    switch (random() % 6) {
      case 0: case 1: case 2: {
        const auto elements = static_cast<int64_t>(random() % (random() % 4 == 0 ? 200000 : 3000));
        pending.push_back({values_of(comm.rank(), elements, types[random() % 4], step), {}, step});
        pending.back().work = comm.all_reduce_sum_async(pending.back().tensor, "random sum", soon(), static_cast<Channel>(random() % comm::channel_count));
        break;
      }
      case 3:
        if (!pending.empty()) settle_one(random() % pending.size());
        break;
      case 4: {
        at::Tensor x = values_of(comm.rank(), static_cast<int64_t>(random() % 100000), at::kFloat);
        const int root = static_cast<int>(random() % static_cast<uint64_t>(comm.size()));
        comm.broadcast(x, root, "random broadcast", soon(), static_cast<Channel>(random() % comm::channel_count));
        EXPECT_TRUE(same_bits(x, values_of(root, x.numel(), at::kFloat)));
        break;
      }
      default: comm.barrier("random barrier", soon());
    }
  }
  while (!pending.empty()) settle_one(0);
}

}  // namespace ganymede::test
