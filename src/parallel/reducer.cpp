#include "parallel/reducer.hpp"

#include <chrono>

#include "config/fields.hpp"

namespace ganymede::parallel {
namespace {

using Clock = std::chrono::steady_clock;

// Whole parameters, last layer first, until a bucket is full: the order in which backward finishes them.
std::vector<at::Tensor> make_buckets(const FlatNetwork& flat, double bucket_mib) {
  const auto& all = flat.reduced();
  const auto most = static_cast<int64_t>(bucket_mib * 1024 * 1024 / static_cast<double>(all.element_size()));
  std::vector<at::Tensor> buckets;
  int64_t begin = 0;
  for (const auto& slot : flat.slots()) {
    const int64_t end = slot.offset + slot.parameter.numel();
    if (end - begin <= most || slot.offset == begin) continue;
    buckets.push_back(all.narrow(0, begin, slot.offset - begin));
    begin = slot.offset;
  }
  buckets.push_back(all.narrow(0, begin, all.size(0) - begin));
  return buckets;
}

double ms_since(Clock::time_point start) { return std::chrono::duration<double, std::milli>(Clock::now() - start).count(); }

}  // namespace

void describe(config::Fields& fields, ParallelConfig& c) {
  fields.number("bucket_mib", c.bucket_mib, "size of a gradient bucket").at_least(0.1);
  fields.flag("overlap", c.overlap, "all-reduce behind computation; false waits at once, with the same result");
  fields.choice("batch_norm", c.batch_norm, {{"global", BatchNormScope::global}, {"local", BatchNormScope::local}},
                "batch norm over the global batch, or (world-size dependent) over each rank's share");
  fields.number("deadline_s", c.deadline_s, "longest wait for one collective").above(0);
}

Reducer::Reducer(comm::Communicator& communicator, const ParallelConfig& config, FlatNetwork& generator, FlatNetwork& discriminator, WaitTimes& waits)
    : communicator_(communicator), config_(config), generator_(generator), discriminator_(discriminator), waits_(waits),
      buckets_{make_buckets(generator, config.bucket_mib), make_buckets(discriminator, config.bucket_mib)} {}

void Reducer::start(gan::Player player, Deadline deadline) {
  flat(player).check_aliases();
  flat(player).flags().zero_();
  if (player == gan::Player::generator && asks_to_stop_) flat(player).flags()[0].fill_(1.0);
  const auto p = static_cast<size_t>(player);
  for (size_t b = 0; b < buckets_[p].size(); ++b)
    under_way_[p].push_back(
        communicator_.all_reduce_sum_async(buckets_[p][b], fmt::format("{} bucket {}", gan::name_of(player), b), deadline, comm::Channel::gradients));
  if (!config_.overlap) wait(player);
}

void Reducer::finish(gan::Player player, Deadline) { wait(player); }

void Reducer::wait(gan::Player player) {
  const auto start = Clock::now();
  auto& under_way = under_way_[static_cast<size_t>(player)];
  for (const auto& work : under_way) work.wait();
  under_way.clear();
  if (player == gan::Player::generator) stops_asked_ = static_cast<int64_t>(flat(player).flags()[0].item<double>());
  waits_.exposed_ms += ms_since(start);
}

at::Tensor GlobalStatistics::all_gather(const at::Tensor& own, const char* what) {
  const auto start = Clock::now();
  auto all = communicator_.all_gather(own, what, Deadline::in(std::chrono::duration<double>(deadline_s_)));
  const double ms = ms_since(start);
  waits_.exposed_ms += ms;
  waits_.statistics_ms += ms;
  return all;
}

void GlobalStatistics::all_reduce_sum(at::Tensor tensor, const char* what) {
  const auto start = Clock::now();
  communicator_.all_reduce_sum(tensor, what, Deadline::in(std::chrono::duration<double>(deadline_s_)));
  const double ms = ms_since(start);
  waits_.exposed_ms += ms;
  waits_.statistics_ms += ms;
}

}  // namespace ganymede::parallel
