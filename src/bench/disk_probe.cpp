#include "bench/disk_probe.hpp"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "bench/samples.hpp"
#include "storage/files.hpp"

namespace ganymede::bench {
namespace {

namespace fs = std::filesystem;

constexpr const char* token_name = ".doctor-token";

// A file that goes when we do.
class ProbeFile {
 public:
  explicit ProbeFile(fs::path path) : path_(std::move(path)), descriptor_(open(path_.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600)) {
    if (descriptor_ < 0) throw storage::write_error(errno, "make", path_);
  }
  ~ProbeFile() {
    close(descriptor_);
    unlink(path_.c_str());
  }
  ProbeFile(const ProbeFile&) = delete;
  ProbeFile& operator=(const ProbeFile&) = delete;
  void write(const std::vector<char>& bytes) {
    for (size_t done = 0; done < bytes.size();) {
      const ssize_t n = ::write(descriptor_, bytes.data() + done, bytes.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) throw storage::write_error(n < 0 ? errno : ENOSPC, "write", path_);
      done += static_cast<size_t>(n);
    }
  }
  void sync() {
    if (fsync(descriptor_) != 0) throw storage::write_error(errno, "sync", path_);
  }

 private:
  fs::path path_;
  int descriptor_;
};

void measure(const fs::path& folder, int rank, DiskReading& reading) {
  constexpr int mib = 32, small_writes = 15;
  ProbeFile file(folder / fmt::format(".doctor-{}-{}", rank, getpid()));
  std::vector<char> block(1 << 20);
  for (size_t i = 0; i < block.size(); ++i) block[i] = static_cast<char>((i * 2654435761u) >> 13);  // nothing that a file system squeezes
  auto start = Clock::now();
  for (int i = 0; i < mib; ++i) file.write(block);
  file.sync();
  reading.write_mib_per_s = mib / (us_since(start) / 1e6);
  block.resize(4096);
  std::vector<double> ms;
  for (int i = 0; i < small_writes; ++i) {
    start = Clock::now();
    file.write(block);
    file.sync();
    ms.push_back(us_since(start) / 1e3);
  }
  reading.fsync_ms = quantile(ms, .5);
  struct statvfs space {};
  if (statvfs(folder.c_str(), &space) == 0) reading.free_bytes = static_cast<int64_t>(space.f_bavail * space.f_frsize);
}

template <typename Action>
void noting_failure(DiskReading& reading, Action action) {
  if (!reading.failure.empty()) return;
  try {
    action();
  } catch (const std::exception& error) {
    reading.failure = error.what();
  }
}

}  // namespace

DiskReading probe_disk(const fs::path& folder, comm::Communicator& communicator, double operation_deadline_s) {
  const auto deadline = [&] { return Deadline::in(std::chrono::duration<double>(operation_deadline_s)); };
  const auto& hosts = communicator.hosts();
  const int rank = communicator.rank();
  DiskReading reading;
  bool is_ours = false;
  std::string token;
  if (rank == 0) {
    noting_failure(reading, [&] {
      std::error_code error;
      is_ours = fs::create_directories(folder, error);
      if (error) throw storage::write_error(error.value(), "make", folder);
      token = fmt::format("{}-{}", getpid(), Clock::now().time_since_epoch().count());
      storage::write_file_atomically(folder / token_name, token);
    });
  }
  token = communicator.gather_texts(token, "token in the folder of runs", deadline())[0];
  if (!token.empty()) {
    noting_failure(reading, [&] {
      const auto seen = fs::exists(folder / token_name) ? storage::read_text(folder / token_name, 4096) : "";
      if (seen != token) throw Error(Fault::cannot_write, "{} is not the folder that rank 0 on {} sees under this name", fs::absolute(folder).string(), hosts[0]);
    });
    const bool is_first_of_host = std::find(hosts.begin(), hosts.begin() + rank, hosts[rank]) == hosts.begin() + rank;
    if (is_first_of_host) noting_failure(reading, [&] { measure(folder, rank, reading); });
  }
  communicator.barrier("end of the disk probe", deadline());
  std::error_code ignored;
  if (rank == 0 && !token.empty()) fs::remove(folder / token_name, ignored);
  if (is_ours) fs::remove(folder, ignored);
  return reading;
}

}  // namespace ganymede::bench
