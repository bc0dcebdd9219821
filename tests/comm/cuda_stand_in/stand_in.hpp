// STAND-IN for NCCL and the CUDA runtime, so that src/comm/nccl_* runs on a host without either: "GPU memory" is host memory that
// was taken with device_tensor(), streams are threads, ranks are threads of this process. It is asynchronous as the real ones are
// (streams run behind the caller, calls of NCCL are in progress for a while) and counts what the real ones forbid.
// It shows nothing about speed, nor that NCCL itself behaves as assumed: that is for `ctest -L gpu`.
#pragma once
#include <ATen/core/Tensor.h>
#include <cuda_runtime_api.h>

#include <functional>
#include <memory>

#include "comm/nccl_communicator.hpp"

namespace ganymede::stand_in {

/// The same values in stand-in GPU memory.
at::Tensor device_tensor(const at::Tensor& values);
bool is_device_memory(const at::Tensor& tensor);

/// A device with a compute stream of its own, the same for all threads that use it.
class Device final : public comm::NcclDevice {
 public:
  Device();
  ~Device() override;
  CUstream_st* compute_stream() override { return stream_; }
  bool holds(const at::Tensor& tensor) override { return tensor.defined() && is_device_memory(tensor); }
  void use() override {}
  /// `work` becomes the compute stream's next.
  void compute(std::function<void()> work);
  void synchronize() { cudaStreamSynchronize(stream_); }

 private:
  cudaStream_t stream_ = nullptr;
};

/// From now on NCCL tells this rank of each stand-in communicator that a peer is lost, until reset.
void lose_peers_of(int rank);
void set_version(int version);
void reset();
/// Calls that NCCL forbids: an abort while another thread is inside NCCL, a call on a communicator still in progress, sizes that differ.
int forbidden_calls();
int aborts();
int communicators();  // alive

}  // namespace ganymede::stand_in
