#include "parallel/reducer.hpp"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <chrono>
#include <cmath>

#include "config/fields.hpp"

namespace ganymede::parallel {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t phases_per_error = 16;  // measuring it costs two passes over the gradient

double ms_since(Clock::time_point start) { return std::chrono::duration<double, std::milli>(Clock::now() - start).count(); }

}  // namespace

void describe(config::Fields& fields, ParallelConfig& c) {
  fields.number("bucket_mib", c.bucket_mib, "size of a gradient bucket").at_least(0.1);
  fields.flag("overlap", c.overlap, "all-reduce behind computation; false waits at once, with the same result");
  fields.choice("batch_norm", c.batch_norm, {{"global", BatchNormScope::global}, {"local", BatchNormScope::local}},
                "batch norm over the global batch, or (world-size dependent) over each rank's share");
  fields.choice("wire", c.wire, {{"native", Wire::native}, {"bf16", Wire::bf16}},
                "gradients travel as they are, or as bf16 with float32 sums: half the bytes, rounded gradients");
  fields.integer("virtual_ranks", c.virtual_ranks, "ranks as threads of the processes, with the same bits for every number of processes; 0 = a rank a process")
      .at_least(0)
      .at_most(4096);
  fields.number("deadline_s", c.deadline_s, "longest wait for one collective").above(0);
  fields.number("deadline_floor_s", c.deadline_floor_s, "waits learned from the run (10 x their 99th percentile) get no shorter").above(0);
  fields.integer("check_every_steps", c.check_every_steps, "iterations between comparisons of the replicas; 0 = never").at_least(0);
  fields.choice("on_nonfinite", c.on_nonfinite, {{"abort", OnNotFinite::abort}, {"skip", OnNotFinite::skip}, {"rewind", OnNotFinite::rewind}},
                "what a gradient that is not finite leads to: the end, an update left out, or going back to the last checkpoint");
  fields.integer("rewinds", c.rewinds, "rewind: how often at most").at_least(1);
}

// Counts a bucket's gradients as the last backward writes them. It fires in every backward; only an armed side listens.
class Reducer::WrittenHook final : public torch::autograd::PostAccumulateGradHook {
 public:
  WrittenHook(Reducer& reducer, gan::Player player, size_t bucket) : reducer_(reducer), player_(player), bucket_(bucket) {}
  void operator()(const torch::autograd::Variable&) override { reducer_.on_written(player_, bucket_); }

 private:
  Reducer& reducer_;
  gan::Player player_;
  size_t bucket_;
};

Reducer::Reducer(comm::Communicator& communicator, const ParallelConfig& config, FlatNetwork& generator, FlatNetwork& discriminator, WaitTimes& waits)
    : communicator_(communicator), config_(config), waits_(waits), sides_{Side{generator, {}, {}, 0, false, {}}, Side{discriminator, {}, {}, 0, false, {}}}, origin_(communicator) {
  const bool is_rounded = config.wire == Wire::bf16 && communicator.size() > 1;
  for (const auto player : {gan::Player::generator, gan::Player::discriminator}) {
    auto& one = side(player);
    const auto& all = one.flat.reduced();
    const auto most = static_cast<int64_t>(config.bucket_mib * 1024 * 1024 / static_cast<double>(all.element_size()));
    // Whole parameters, last layer first, until a bucket is full: the order in which backward finishes them.
    int64_t begin = 0, parameters = 0;
    const auto close = [&](int64_t end) {
      Bucket bucket{all.narrow(0, begin, end - begin), {}, parameters, 0};
      if (is_rounded) bucket.rounded = at::empty({end - begin}, all.options().dtype(at::kBFloat16));
      one.buckets.push_back(std::move(bucket));
      begin = end, parameters = 0;
    };
    for (const auto& slot : one.flat.slots()) {
      if (slot.offset + slot.parameter.numel() - begin > most && slot.offset != begin) close(slot.offset);
      ++parameters;
      if (communicator.size() > 1) torch::autograd::impl::set_post_acc_grad_hooks(slot.parameter, std::make_unique<WrittenHook>(*this, player, one.buckets.size()));
    }
    close(is_rounded ? one.flat.weights().gradients.size(0) : all.size(0));  // flags are never rounded: then they travel alone
  }
}

std::string Reducer::layout() const {
  std::string text;
  for (const auto player : {gan::Player::generator, gan::Player::discriminator})
    for (const auto& bucket : sides_[static_cast<size_t>(player)].buckets) text += fmt::format("{} bucket of {}\n", gan::name_of(player), bucket.gradients.numel());
  return text;
}

Reducer::~Reducer() {
  for (auto& one : sides_)
    for (const auto& slot : one.flat.slots()) torch::autograd::impl::set_post_acc_grad_hooks(slot.parameter, nullptr);
}

void Reducer::set_flags(gan::Player player) {
  auto flags = side(player).flat.flags();
  flags.zero_();
  if (player == gan::Player::generator && asks_to_stop_) flags[0].fill_(1.0);
}

void Reducer::arm(gan::Player player, Deadline deadline) {
  if (!config_.overlap || communicator_.size() == 1) return;
  auto& one = side(player);
  one.flat.check_aliases();  // before anything of it is sent
  set_flags(player);
  for (auto& bucket : one.buckets) bucket.unwritten = bucket.parameters;
  one.deadline = deadline;
  one.is_armed = true;
}

void Reducer::on_written(gan::Player player, size_t bucket) {
  auto& one = side(player);
  if (!one.is_armed) return;
  --one.buckets[bucket].unwritten;
  // In the order of the buckets, whatever backward's is: every rank starts the same sums in the same order.
  while (one.started < one.buckets.size() && one.buckets[one.started].unwritten == 0) {
    launch(player, one.started);
    ++early_buckets_;
  }
}

void Reducer::round(Side& one, const Bucket& bucket) {
  const at::NoGradGuard no_graph;
  bucket.rounded.copy_(bucket.gradients);
  if (one.phases % phases_per_error != 0) return;
  const double error = at::linalg_vector_norm(bucket.gradients - bucket.rounded, 2).item<double>();
  const double norm = at::linalg_vector_norm(bucket.gradients, 2).item<double>();
  one.squared_error += error * error, one.squared_norm += norm * norm;
}

void Reducer::launch(gan::Player player, size_t index) {
  auto& one = side(player);
  const auto& bucket = one.buckets[index];
  origin_.remember(player, index, bucket.gradients);
  const auto& sent = bucket.rounded.defined() ? bucket.rounded : bucket.gradients;
  if (bucket.rounded.defined()) round(one, bucket);
  one.under_way.push_back(communicator_.all_reduce_sum_async(sent, fmt::format("{} bucket {}", gan::name_of(player), index), *one.deadline,
                                                             comm::Channel::gradients));
  ++one.started;
}

void Reducer::start(gan::Player player, Deadline deadline) {
  auto& one = side(player);
  one.flat.check_aliases();
  if (!one.is_armed) set_flags(player);
  one.is_armed = false;
  one.deadline = deadline;
  while (one.started < one.buckets.size()) launch(player, one.started);
  if (one.buckets.back().rounded.defined())
    one.under_way.push_back(communicator_.all_reduce_sum_async(one.flat.flags(), fmt::format("{} flags", gan::name_of(player)), deadline, comm::Channel::gradients));
  if (!config_.overlap) wait(player);
}

void Reducer::finish(gan::Player player, Deadline) { wait(player); }

void Reducer::wait(gan::Player player) {
  auto& one = side(player);
  const auto start = Clock::now();
  for (const auto& work : one.under_way) work.wait();
  waits_.exposed_ms += ms_since(start);
  const bool is_news = !one.under_way.empty();
  one.under_way.clear();
  one.started = 0;
  if (is_news && one.buckets.back().rounded.defined()) {
    const at::NoGradGuard no_graph;
    for (auto& bucket : one.buckets) bucket.gradients.copy_(bucket.rounded);
    if (one.phases++ % phases_per_error == 0) one.wire_error = one.squared_norm > 0 ? std::sqrt(one.squared_error / one.squared_norm) : 0;
    one.squared_error = one.squared_norm = 0;
  }
  if (player == gan::Player::generator) stops_asked_ = static_cast<int64_t>(one.flat.flags()[0].item<double>());
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
