// NCCL and the CUDA runtime as this program calls them: every failure is an Error.
#pragma once
#include <cuda_runtime_api.h>
#include <nccl.h>

#include "core/error.hpp"

namespace ganymede::comm {

inline void check_cuda(cudaError_t code, const char* call) {
  if (code != cudaSuccess) throw Error(Fault::io, "{} failed", call).cause("{}", cudaGetErrorString(code)).remedy("look into the system's log for errors of the GPU");
}

inline Error nccl_error(ncclResult_t code, const std::string& what) {
  return std::move(Error(Fault::peer, "{} failed", what)
                       .cause("NCCL: {}", ncclGetErrorString(code))
                       .remedy("look for a rank, GPU or link that died (NCCL_DEBUG=WARN tells more); the job can be resumed from its last checkpoint"));
}

/// A stream with nothing else on it.
class Stream {
 public:
  Stream() {
    int least = 0, greatest = 0;
    check_cuda(cudaDeviceGetStreamPriorityRange(&least, &greatest), "cudaDeviceGetStreamPriorityRange");
    // Ahead of computation: a collective that waits for free cores keeps all other ranks waiting.
    check_cuda(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, greatest), "cudaStreamCreateWithPriority");
  }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

/// A place in a stream.
class Event {
 public:
  explicit Event(cudaStream_t stream) {
    check_cuda(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    check_cuda(cudaEventRecord(event_, stream), "cudaEventRecord");
  }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  /// What is enqueued on `stream` from now on waits for this place.
  void hold_back(cudaStream_t stream) const { check_cuda(cudaStreamWaitEvent(stream, event_, 0), "cudaStreamWaitEvent"); }
  /// Any failure of the device shows here first.
  bool has_come() const {
    const auto code = cudaEventQuery(event_);
    if (code != cudaErrorNotReady) check_cuda(code, "an operation on the GPU");
    return code == cudaSuccess;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace ganymede::comm
