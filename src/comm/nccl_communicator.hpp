// The communicator for tensors in GPU memory: NCCL, on streams of its own. Tensors in host memory go through the communicator it
// stands on (MPI), as do barriers and texts.
//
// The main thread enqueues, in program order; nothing waits on the host: an operation begins when the compute stream has made its
// input, and Work::wait() makes the compute stream wait for the result. A thread of ours watches the deadlines and NCCL's own
// errors; when one fails it aborts the communicators (no other thread is inside NCCL then), so that whatever hangs on the device
// ends, and the main thread's next call throws. Every NCCL communicator is non-blocking; "in progress" is polled out.
// Sums: float32, float64, int64, bfloat16, in NCCL's order, equal on all ranks; bfloat16 is rounded as NCCL rounds it.
// Unlike on the host, operations that do not fit each other are not compared: they end at their deadline.
#pragma once
#include <memory>
#include <string>

#include "comm/communicator.hpp"
#include "core/deadline.hpp"

struct CUstream_st;  // what cudaStream_t points to

namespace ganymede::comm {

/// What the NCCL communicator asks of the tensor library; tests/comm/cuda_stand_in answers for host memory.
class NcclDevice {
 public:
  virtual ~NcclDevice() = default;
  /// The stream that computes, of the calling thread.
  virtual CUstream_st* compute_stream() = 0;
  /// Whether the tensor is in this device's memory.
  virtual bool holds(const at::Tensor& tensor) = 0;
  /// Makes the device the calling thread's own.
  virtual void use() = 0;
};

/// Collective over `host`'s ranks, each with another GPU; NCCL's id goes through `host`. Throws Error(Fault::launch) if NCCL is older
/// than 2.26, or the ranks' GPUs do not find each other before the deadline.
std::unique_ptr<Communicator> make_nccl_communicator(std::unique_ptr<Communicator> host, std::shared_ptr<NcclDevice> device, Deadline deadline);

}  // namespace ganymede::comm
