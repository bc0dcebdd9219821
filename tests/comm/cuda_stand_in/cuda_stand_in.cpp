// STAND-IN for the CUDA runtime; see stand_in.hpp.
#include <ATen/ops/from_blob.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <set>
#include <thread>

#include "comm/cuda_stand_in/stand_in.hpp"

namespace {

struct Flag {
  std::mutex mutex;
  std::condition_variable changed;
  bool is_set = false;
  void set() {
    std::lock_guard lock(mutex);
    is_set = true;
    changed.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return is_set; });
  }
};

std::mutex memory_mutex;
std::set<const void*> device_memory;

}  // namespace

struct CUevent_st {
  std::mutex mutex;
  std::shared_ptr<Flag> flag;  // of the last record
  std::shared_ptr<Flag> last() {
    std::lock_guard lock(mutex);
    return flag;
  }
};

struct CUstream_st {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> tasks;
  bool is_ending = false;
  std::thread thread{[this] { run(); }};
  void push(std::function<void()> task) {
    std::lock_guard lock(mutex);
    tasks.push_back(std::move(task));
    changed.notify_all();
  }
  void run() {
    for (;;) {
      std::function<void()> task;
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return is_ending || !tasks.empty(); });
        if (tasks.empty()) return;
        task = std::move(tasks.front());
        tasks.pop_front();
      }
      task();
    }
  }
};

const char* cudaGetErrorString(cudaError_t code) { return code == cudaSuccess ? "no error (stand-in)" : "an error of the stand-in"; }
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0, *greatest = -5;
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned, int) {
  *stream = new CUstream_st();
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  {
    std::lock_guard lock(stream->mutex);
    stream->is_ending = true;
    stream->changed.notify_all();
  }
  stream->thread.join();
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const auto flag = std::make_shared<Flag>();
  stream->push([flag] { flag->set(); });
  flag->wait();
  return cudaSuccess;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, void (*function)(void*), void* argument) {
  stream->push([=] { function(argument); });
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st();
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const auto flag = std::make_shared<Flag>();
  {
    std::lock_guard lock(event->mutex);
    event->flag = flag;
  }
  stream->push([flag] { flag->set(); });
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (const auto flag = event->last()) stream->push([flag] { flag->wait(); });
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  const auto flag = event->last();
  if (!flag) return cudaSuccess;
  std::lock_guard lock(flag->mutex);
  return flag->is_set ? cudaSuccess : cudaErrorNotReady;
}

namespace ganymede::stand_in {

at::Tensor device_tensor(const at::Tensor& values) {
  auto* memory = new char[values.nbytes() + 1];
  if (values.nbytes() > 0) std::memcpy(memory, values.data_ptr(), values.nbytes());
  {
    std::lock_guard lock(memory_mutex);
    device_memory.insert(memory);
  }
  return at::from_blob(memory, values.sizes(), [](void* p) {
    std::lock_guard lock(memory_mutex);
    device_memory.erase(p);
    delete[] static_cast<char*>(p);
  }, values.options());
}

bool is_device_memory(const at::Tensor& tensor) {
  std::lock_guard lock(memory_mutex);
  return device_memory.count(tensor.storage().data()) > 0;
}

Device::Device() { cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, 0); }
Device::~Device() { cudaStreamDestroy(stream_); }
void Device::compute(std::function<void()> work) {
  cudaLaunchHostFunc(stream_, [](void* p) {
    const std::unique_ptr<std::function<void()>> task(static_cast<std::function<void()>*>(p));
    (*task)();
  }, new std::function<void()>(std::move(work)));
}

}  // namespace ganymede::stand_in
