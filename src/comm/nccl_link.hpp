// One NCCL communicator with its stream, and the thread that watches what is enqueued there.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "comm/nccl_calls.hpp"
#include "comm/nccl_communicator.hpp"

namespace ganymede::comm {

/// What has been enqueued and not yet seen to end. Keeps the tensors alive that NCCL reads and writes.
struct NcclOperation {
  std::string what;  // "all_reduce 'discriminator bucket 2' (4.0 MiB)"
  Deadline deadline;
  std::vector<at::Tensor> tensors;
  std::shared_ptr<Event> done;
};

class NcclLink {
 public:
  /// Collective; see make_nccl_communicator. `peers` is asked for failures of other ranks, from the watching thread.
  NcclLink(Communicator& peers, std::shared_ptr<NcclDevice> device, Deadline deadline);
  /// Ends at once what is still under way.
  ~NcclLink();

  // ---- main thread ----
  /// Enqueues `calls` as one group behind what the compute stream has done so far. Throws the first failure of this link.
  std::shared_ptr<Event> enqueue(std::string what, Deadline deadline, std::vector<at::Tensor> tensors,
                                 const std::function<ncclResult_t(ncclComm_t, cudaStream_t)>& calls);
  void check();
  /// Waits until nothing is under way, then ends the NCCL communicator in an orderly way. Collective.
  void shut_down(Deadline deadline);

 private:
  void poll_out(ncclResult_t code, const std::string& what, Deadline deadline);
  void watch();
  void abort_with(const Error& error, bool by_peer);

  Communicator& peers_;
  std::shared_ptr<NcclDevice> device_;
  Stream stream_;

  std::mutex nccl_mutex_;  // whoever is inside NCCL holds it: the main thread in enqueue, the watching thread in an abort
  ncclComm_t comm_ = nullptr;

  std::mutex mutex_;  // guards the rest; taken after nccl_mutex_
  std::condition_variable changed_;
  std::deque<NcclOperation> under_way_;
  std::optional<Error> failure_;
  bool failed_by_peer_ = false;
  bool is_ending_ = false;
  std::thread watcher_;
};

}  // namespace ganymede::comm
