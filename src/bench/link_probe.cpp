#include "bench/link_probe.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "bench/samples.hpp"

namespace ganymede::bench {
namespace {

constexpr int most_ranks = 128;  // beyond, one a host: each round costs some 20 ms

// The ranks that take part: all of few, of many the first of each host.
std::vector<int> chosen_ranks(const comm::Communicator& communicator) {
  std::vector<int> chosen;
  const auto& hosts = communicator.hosts();
  for (int r = 0; r < communicator.size(); ++r) {
    const bool is_first_of_host = std::find(hosts.begin(), hosts.begin() + r, hosts[r]) == hosts.begin() + r;
    if (communicator.size() <= most_ranks || is_first_of_host) chosen.push_back(r);
  }
  return chosen;
}

class Probe {
 public:
  Probe(comm::Communicator& communicator, double deadline_s) : communicator_(communicator), deadline_s_(deadline_s) {}
  Deadline deadline() const { return Deadline::in(std::chrono::duration<double>(deadline_s_)); }

  // Both ways at once; the time until ours has gone and theirs is here. An exchange is collective: a rank without a partner (−1) calls it
  // too, and neither sends nor waits.
  double swap_us(int partner, const at::Tensor& out, at::Tensor& in, const char* name) {
    std::vector<at::Tensor> outgoing(communicator_.size()), incoming(communicator_.size());
    if (partner >= 0) outgoing[partner] = out, incoming[partner] = in;
    const auto start = Clock::now();
    communicator_.exchange(outgoing, incoming, name, deadline());
    return us_since(start);
  }
  void one_way(int from, int to, at::Tensor& stamps, const char* name) {
    std::vector<at::Tensor> outgoing(communicator_.size()), incoming(communicator_.size());
    if (communicator_.rank() == from) outgoing[to] = stamps;
    if (communicator_.rank() == to) incoming[from] = stamps;
    communicator_.exchange(outgoing, incoming, name, deadline());
  }

 private:
  comm::Communicator& communicator_;
  double deadline_s_;
};

int64_t wall_ns() { return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count(); }

}  // namespace

std::vector<std::vector<int>> tournament(int entries) {
  // The circle method: entry n−1 stays, the others turn; with an odd number one rests.
  const int n = entries + entries % 2;
  std::vector<std::vector<int>> rounds;
  for (int round = 0; round + 1 < n; ++round) {
    std::vector<int> partners(entries, -1);
    for (int i = 0; i < n / 2; ++i) {
      const int a = i == 0 ? n - 1 : (round + i) % (n - 1);
      const int b = (round - i + n - 1) % (n - 1);
      if (a < entries && b < entries && a != b) partners[a] = b, partners[b] = a;
    }
    rounds.push_back(std::move(partners));
  }
  return rounds;
}

std::vector<PairRate> probe_pairs(comm::Communicator& communicator, int64_t bytes, double operation_deadline_s) {
  constexpr int bulk_tries = 4, small_tries = 20;
  const auto chosen = chosen_ranks(communicator);
  const auto place = std::find(chosen.begin(), chosen.end(), communicator.rank());
  const auto rounds = tournament(static_cast<int>(chosen.size()));
  if (rounds.empty()) return {};
  const auto out = at::ones({bytes}, at::kByte);
  auto in = at::zeros({bytes}, at::kByte);
  auto small_out = at::ones({8}, at::kByte), small_in = at::zeros({8}, at::kByte);
  Probe probe(communicator, operation_deadline_s);
  auto own = at::zeros({static_cast<int64_t>(rounds.size()), 2}, at::kDouble);
  for (size_t round = 0; round < rounds.size(); ++round) {
    communicator.barrier("next round of pairs", probe.deadline());
    const int entry = place == chosen.end() ? -1 : rounds[round][place - chosen.begin()];
    const int partner = entry < 0 ? -1 : chosen[entry];
    double bulk = std::numeric_limits<double>::infinity(), small = bulk;
    for (int i = 0; i < bulk_tries; ++i) bulk = std::min(bulk, probe.swap_us(partner, out, in, "pair bandwidth"));
    for (int i = 0; i < small_tries; ++i) small = std::min(small, probe.swap_us(partner, small_out, small_in, "pair latency"));
    own[static_cast<int64_t>(round)][0] = bulk, own[static_cast<int64_t>(round)][1] = small;
  }
  const auto all = communicator.all_gather(own, "pairs", probe.deadline(), comm::Channel::control);
  std::vector<PairRate> pairs;
  for (size_t round = 0; round < rounds.size(); ++round)
    for (size_t i = 0; i < chosen.size(); ++i) {
      const int j = rounds[round][i];
      if (j <= static_cast<int>(i)) continue;
      const auto of = [&](int rank, int what) { return all[rank][static_cast<int64_t>(round)][what].item<double>(); };
      const double bulk = std::max(of(chosen[i], 0), of(chosen[j], 0));
      pairs.push_back({chosen[i], chosen[j], static_cast<double>(bytes) / (bulk * 1e3), std::max(of(chosen[i], 1), of(chosen[j], 1))});
    }
  std::sort(pairs.begin(), pairs.end(), [](const PairRate& x, const PairRate& y) { return std::tie(x.a, x.b) < std::tie(y.a, y.b); });
  return pairs;
}

std::vector<ClockReading> probe_clocks(comm::Communicator& communicator, double operation_deadline_s) {
  constexpr int tries = 8;
  Probe probe(communicator, operation_deadline_s);
  auto readings = at::zeros({communicator.size(), 2}, at::kDouble);
  for (const int r : chosen_ranks(communicator)) {
    if (r == 0) continue;
    for (int i = 0; i < tries; ++i) {
      auto stamps = at::zeros({2}, at::kLong);
      const int64_t sent = wall_ns();
      probe.one_way(0, r, stamps, "clock question");
      if (communicator.rank() == r) stamps.fill_(wall_ns());
      probe.one_way(r, 0, stamps, "clock answer");
      if (communicator.rank() != 0) continue;
      const int64_t received = wall_ns(), theirs = stamps[0].item<int64_t>();
      const double within_ms = static_cast<double>(received - sent) / 2e6;
      if (i > 0 && within_ms >= readings[r][1].item<double>()) continue;
      readings[r][0] = (static_cast<double>(theirs - sent) + static_cast<double>(theirs - received)) / 2e6;
      readings[r][1] = within_ms;
    }
  }
  communicator.broadcast(readings, 0, "clocks", probe.deadline());
  std::vector<ClockReading> all;
  const auto chosen = chosen_ranks(communicator);
  for (int r = 0; r < communicator.size(); ++r) {
    int of = r;  // ranks of one host have one clock
    for (const int c : chosen)
      if (communicator.hosts()[c] == communicator.hosts()[r]) of = std::find(chosen.begin(), chosen.end(), r) != chosen.end() ? r : c;
    all.push_back({readings[of][0].item<double>(), readings[of][1].item<double>()});
  }
  return all;
}

}  // namespace ganymede::bench
