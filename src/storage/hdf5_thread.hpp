// The one thread that calls HDF5, which is not thread-safe: others hand it work. Reads go before writes, so that a
// checkpoint being written never starves training. pread, fsync, hashing and decoding do not belong here.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

namespace ganymede::storage {

enum class Priority { read, write };

/// Passed by reference to whoever needs files. Several may exist in one process (ranks as threads): a lock keeps
/// HDF5 to one of them at a time.
class Hdf5Thread {
 public:
  /// Starts HDF5 with plugins off, external links unregistered and its own printing of errors off.
  Hdf5Thread();
  /// Finishes everything that was posted.
  ~Hdf5Thread();
  Hdf5Thread(const Hdf5Thread&) = delete;
  Hdf5Thread& operator=(const Hdf5Thread&) = delete;

  /// Runs `work` on the thread and waits; what it throws is thrown here. From inside the thread it runs at once.
  void run(Priority priority, std::function<void()> work);
  /// The same without waiting; the exception is in the future.
  std::future<void> post(Priority priority, std::function<void()> work);

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::packaged_task<void()>> reads_, writes_;  // guarded by mutex_
  bool is_stopping_ = false;                               // guarded by mutex_
  std::thread thread_;
};

/// Throws Error(Fault::bug) unless the caller is on an Hdf5Thread.
void require_hdf5_thread();

}  // namespace ganymede::storage
