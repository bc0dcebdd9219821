#include "storage/hdf5_thread.hpp"

#include <hdf5.h>

#include "core/error.hpp"

namespace ganymede::storage {
namespace {

thread_local bool is_hdf5_thread = false;

// HDF5 is process-wide, threads of this class may be several: one at a time. This is the only global of the folder.
std::mutex& library_lock() {
  static std::mutex lock;
  return lock;
}

void start_library() {
  const std::lock_guard guard(library_lock());
  H5dont_atexit();  // files are closed by their owners; after a full disk the library's own end would retry and complain
  if (H5open() < 0) throw Error(Fault::bug, "the HDF5 library does not start");
  H5PLset_loading_state(0);
  // Undone by H5close and H5open, hence repeated here; a second time it finds nothing to remove.
  if (H5Lis_registered(H5L_TYPE_EXTERNAL) > 0) H5Lunregister(H5L_TYPE_EXTERNAL);
}

}  // namespace

Hdf5Thread::Hdf5Thread() {
  start_library();
  thread_ = std::thread([this] { loop(); });
}

Hdf5Thread::~Hdf5Thread() {
  {
    const std::lock_guard guard(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Hdf5Thread::run(Priority priority, std::function<void()> work) {
  if (is_hdf5_thread) return work();
  post(priority, std::move(work)).get();
}

std::future<void> Hdf5Thread::post(Priority priority, std::function<void()> work) {
  std::packaged_task<void()> task(std::move(work));
  auto done = task.get_future();
  {
    const std::lock_guard guard(mutex_);
    (priority == Priority::read ? reads_ : writes_).push_back(std::move(task));
  }
  changed_.notify_one();
  return done;
}

void Hdf5Thread::loop() {
  is_hdf5_thread = true;
  {
    const std::lock_guard guard(library_lock());
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // a thread-safe build of HDF5 keeps one error stack per thread
  }
  for (;;) {
    std::packaged_task<void()> task;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return is_stopping_ || !reads_.empty() || !writes_.empty(); });
      auto& queue = reads_.empty() ? writes_ : reads_;
      if (queue.empty()) return;
      task = std::move(queue.front());
      queue.pop_front();
    }
    const std::lock_guard guard(library_lock());
    task();
  }
}

void require_hdf5_thread() {
  if (!is_hdf5_thread) throw Error(Fault::bug, "HDF5 called outside its thread");
}

}  // namespace ganymede::storage
