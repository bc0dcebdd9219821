#include "comm/nccl_link.hpp"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <cstdlib>
#include <cstring>

namespace ganymede::comm {
namespace {

using namespace std::chrono_literals;

constexpr int least_version = 22600;        // the first with NCCL_LAUNCH_ORDER_IMPLICIT
constexpr auto look_every = 5ms;            // while something is under way
constexpr auto nap = 20us;                  // between polls of "in progress"

void check_version() {
  // Two communicators of one device (statistics, gradients): without it their kernels may start in another order on another rank, and hang.
  setenv("NCCL_LAUNCH_ORDER_IMPLICIT", "1", 1);
  int version = 0;
  ncclGetVersion(&version);
  if (version < least_version)
    throw Error(Fault::launch, "NCCL {}.{}.{} is too old", version / 10000, version / 100 % 100, version % 100)
        .cause("2.26 is the first that starts the operations of several communicators in one order on all ranks")
        .remedy("use the NCCL that LibTorch's wheel brings, or a newer one (LD_LIBRARY_PATH may name another)");
}

ncclUniqueId shared_id(Communicator& peers, Deadline deadline) {
  ncclUniqueId id{};
  if (peers.rank() == 0)
    if (const auto code = ncclGetUniqueId(&id); code != ncclSuccess) throw nccl_error(code, "making NCCL's id");
  at::Tensor bytes = at::empty({static_cast<int64_t>(sizeof id)}, at::kByte);
  std::memcpy(bytes.data_ptr(), &id, sizeof id);
  peers.broadcast(bytes, 0, "NCCL's id", deadline);
  std::memcpy(&id, bytes.data_ptr(), sizeof id);
  return id;
}

}  // namespace

NcclLink::NcclLink(Communicator& peers, std::shared_ptr<NcclDevice> device, Deadline deadline) : peers_(peers), device_(std::move(device)) {
  check_version();
  const auto id = shared_id(peers_, deadline);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  try {
    poll_out(ncclCommInitRankConfig(&comm_, peers_.size(), id, peers_.rank(), &config), "making an NCCL communicator", deadline);
  } catch (...) {
    if (comm_) ncclCommAbort(comm_);
    throw;
  }
  watcher_ = std::thread([this] { watch(); });
}

NcclLink::~NcclLink() {
  {
    std::lock_guard lock(mutex_);
    is_ending_ = true;
    changed_.notify_all();
  }
  if (watcher_.joinable()) watcher_.join();
  if (comm_) ncclCommAbort(comm_);
}

// The caller holds nccl_mutex_, or is alone.
void NcclLink::poll_out(ncclResult_t code, const std::string& what, Deadline deadline) {
  while (code == ncclInProgress) {
    if (deadline.has_passed())
      throw Error(Fault::peer, "{} passed its deadline of {:g} s", what, deadline.span_s()).cause("NCCL on another rank did not take part");
    peers_.check_peers();
    std::this_thread::sleep_for(nap);
    if (const auto asked = ncclCommGetAsyncError(comm_, &code); asked != ncclSuccess) code = asked;
  }
  if (code != ncclSuccess) throw nccl_error(code, what);
}

void NcclLink::check() {
  std::lock_guard lock(mutex_);
  if (!failure_) return;
  if (failed_by_peer_) throw PeerError(*failure_);
  throw Error(*failure_);
}

std::shared_ptr<Event> NcclLink::enqueue(std::string what, Deadline deadline, std::vector<at::Tensor> tensors,
                                         const std::function<ncclResult_t(ncclComm_t, cudaStream_t)>& calls) {
  std::lock_guard inside(nccl_mutex_);
  check();
  if (!comm_) throw Error(Fault::bug, "{} after communication has been shut down", what);
  const auto compute = device_->compute_stream();
  Event(compute).hold_back(stream_.get());
  std::shared_ptr<Event> done;
  try {
    auto code = ncclGroupStart();
    if (code == ncclSuccess) code = calls(comm_, stream_.get());
    if (const auto ended = ncclGroupEnd(); code == ncclSuccess || code == ncclInProgress) code = ended;
    poll_out(code, what, deadline);
    done = std::make_shared<Event>(stream_.get());
  } catch (const Error& error) {
    // Half a group may be enqueued: this communicator is of no more use.
    std::lock_guard lock(mutex_);
    if (!failure_) failure_ = error, failed_by_peer_ = dynamic_cast<const PeerError*>(&error) != nullptr;
    changed_.notify_all();
    throw;
  }
  std::lock_guard lock(mutex_);
  under_way_.push_back({std::move(what), deadline, std::move(tensors), done});
  changed_.notify_all();
  return done;
}

void NcclLink::watch() {
  device_->use();
  for (;;) {
    std::vector<NcclOperation> ended;  // let go of outside the lock
    std::optional<Error> error;
    bool by_peer = false;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return is_ending_ || failure_ || !under_way_.empty(); });
      if (is_ending_) return;
      if (failure_) error = failure_, by_peer = failed_by_peer_;
      try {
        while (!error && !under_way_.empty() && under_way_.front().done->has_come()) {
          ended.push_back(std::move(under_way_.front()));
          under_way_.pop_front();
        }
      } catch (const Error& of_device) {
        error = of_device;
      }
      if (!error && !under_way_.empty() && under_way_.front().deadline.has_passed()) {
        const auto& late = under_way_.front();
        error = Error(Fault::peer, "{} passed its deadline of {:g} s", late.what, late.deadline.span_s())
                    .cause("another rank's GPU did not take part, or is stuck in what it computes before")
                    .remedy("look for the rank whose last operation differs; the job can be resumed from its last checkpoint");
      }
      changed_.notify_all();
    }
    if (!error) {
      try {
        peers_.check_peers();
      } catch (const PeerError& heard) {
        error = heard, by_peer = true;
      } catch (const Error& ours) {
        error = ours;
      }
    }
    if (!error) {
      std::unique_lock inside(nccl_mutex_, std::try_to_lock);  // busy: the main thread asks NCCL itself
      ncclResult_t code = ncclSuccess;
      if (inside.owns_lock() && comm_) {
        if (const auto asked = ncclCommGetAsyncError(comm_, &code); asked != ncclSuccess) code = asked;
        if (code != ncclSuccess && code != ncclInProgress) {
          std::lock_guard lock(mutex_);
          error = nccl_error(code, under_way_.empty() ? "NCCL" : under_way_.front().what);
        }
      }
    }
    if (error) return abort_with(*error, by_peer);
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, look_every, [&] { return is_ending_ || failure_; });
  }
}

void NcclLink::abort_with(const Error& error, bool by_peer) {
  {
    std::lock_guard lock(mutex_);
    if (!failure_) failure_ = error, failed_by_peer_ = by_peer;
  }
  std::lock_guard inside(nccl_mutex_);  // from here on nobody else is inside NCCL, and `check` keeps them out
  if (comm_) ncclCommAbort(comm_);
  comm_ = nullptr;
  std::deque<NcclOperation> ended;
  std::lock_guard lock(mutex_);
  ended.swap(under_way_);
  changed_.notify_all();
}

void NcclLink::shut_down(Deadline deadline) {
  {
    std::unique_lock lock(mutex_);
    const bool in_time = changed_.wait_until(lock, deadline.moment(), [&] { return failure_ || under_way_.empty(); });
    if (!in_time) throw Error(Fault::peer, "ending communication passed its deadline of {:g} s", deadline.span_s()).cause("{} is still under way", under_way_.front().what);
  }
  check();
  std::lock_guard inside(nccl_mutex_);
  if (!comm_) return;
  poll_out(ncclCommFinalize(comm_), "ending an NCCL communicator", deadline);
  ncclCommDestroy(comm_);
  comm_ = nullptr;
}

}  // namespace ganymede::comm
