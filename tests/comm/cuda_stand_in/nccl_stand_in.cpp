// STAND-IN for NCCL; see stand_in.hpp.
#include <nccl.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "comm/cuda_stand_in/stand_in.hpp"
#include "comm/sums.hpp"

namespace {

enum class Kind { all_reduce, all_gather, broadcast, send, receive };
struct Call {
  Kind kind;
  const void* from;
  void* to;
  size_t count;
  ncclDataType_t type;
  int peer;  // or root
};

struct Meeting {
  std::map<int, Call> calls;  // by rank
  bool is_done = false;
};
struct Letter {
  const void* from;
  size_t bytes;
  bool* is_taken;
};

// The ranks of one communicator, under one lock.
struct Clique {
  std::mutex mutex;
  std::condition_variable changed;
  int ranks = 0, joined = 0;
  std::map<uint64_t, Meeting> meetings;
  std::map<std::pair<int, int>, std::deque<Letter>> letters;  // (from, to)
};

std::mutex cliques_mutex;
std::map<std::string, std::shared_ptr<Clique>> cliques;
std::atomic<int> next_id{0}, version{22800}, forbidden{0}, abort_count{0}, alive{0}, lost_rank{-1};

}  // namespace

struct ncclComm {
  std::shared_ptr<Clique> clique;
  int rank = 0;
  std::atomic<int> inside{0}, polls_left{1};
  bool is_aborted = false;  // under the clique's lock, as the next two
  int running = 0;          // groups that streams are at
  uint64_t next_meeting = 0;
  std::shared_ptr<ncclComm> self;  // until destroyed; groups not yet begun hold it too
};

namespace {

struct Inside {
  explicit Inside(ncclComm_t comm) : comm(comm) { ++comm->inside; }
  ~Inside() { --comm->inside; }
  ncclComm_t comm;
};

size_t bytes_of(ncclDataType_t type) {
  switch (type) {
    case ncclUint8: return 1;
    case ncclBfloat16: return 2;
    case ncclFloat32: return 4;
    default: return 8;
  }
}
at::ScalarType scalar_type(ncclDataType_t type) {
  switch (type) {
    case ncclInt64: return at::kLong;
    case ncclFloat64: return at::kDouble;
    case ncclBfloat16: return at::kBFloat16;
    default: return at::kFloat;
  }
}

void compute(const Clique& clique, const Meeting& meeting) {
  const auto& first = meeting.calls.begin()->second;
  const size_t bytes = first.count * bytes_of(first.type);
  for (const auto& [rank, call] : meeting.calls)
    if (call.kind != first.kind || call.count != first.count || call.type != first.type) {
      ++forbidden;
      return;
    }
  std::vector<const std::byte*> sources;
  for (const auto& [rank, call] : meeting.calls) sources.push_back(static_cast<const std::byte*>(call.from));
  std::vector<std::byte> result(first.kind == Kind::all_gather ? bytes * clique.ranks : bytes);
  if (first.kind == Kind::all_reduce) ganymede::comm::sum_in_tree(scalar_type(first.type), result.data(), sources, static_cast<int64_t>(first.count));
  if (first.kind == Kind::all_gather)
    for (size_t r = 0; r < sources.size(); ++r) std::memcpy(result.data() + r * bytes, sources[r], bytes);
  if (first.kind == Kind::broadcast) std::memcpy(result.data(), sources[first.peer], bytes);
  for (const auto& [rank, call] : meeting.calls) std::memcpy(call.to, result.data(), result.size());
}

// On a stream's thread: returns when the group is done, or the communicator aborted.
void run_group(ncclComm_t comm, const std::vector<Call>& group) {
  auto& clique = *comm->clique;
  std::unique_lock lock(clique.mutex);
  if (comm->is_aborted) return;
  ++comm->running;
  const auto until = [&](auto&& condition) {
    clique.changed.wait(lock, [&] { return comm->is_aborted || condition(); });
    return !comm->is_aborted;
  };
  std::deque<bool> taken;
  bool goes_on = true;
  for (const auto& call : group) {
    if (call.kind != Kind::send) continue;
    taken.push_back(false);
    clique.letters[{comm->rank, call.peer}].push_back({call.from, call.count * bytes_of(call.type), &taken.back()});
  }
  clique.changed.notify_all();
  for (const auto& call : group) {
    if (!goes_on) break;
    if (call.kind == Kind::send) continue;
    if (call.kind == Kind::receive) {
      auto& box = clique.letters[{call.peer, comm->rank}];
      if (!(goes_on = until([&] { return !box.empty(); }))) break;
      if (box.front().bytes != call.count * bytes_of(call.type)) ++forbidden;
      else std::memcpy(call.to, box.front().from, box.front().bytes);
      *box.front().is_taken = true;
      box.pop_front();
      clique.changed.notify_all();
      continue;
    }
    const auto number = comm->next_meeting++;
    auto& meeting = clique.meetings[number];
    meeting.calls[comm->rank] = call;
    if (static_cast<int>(meeting.calls.size()) == clique.ranks) {
      compute(clique, meeting);
      meeting.is_done = true;
      clique.changed.notify_all();
    }
    goes_on = until([&] { return meeting.is_done; });
  }
  if (goes_on) goes_on = until([&] { return std::all_of(taken.begin(), taken.end(), [](bool t) { return t; }); });
  if (!goes_on)  // what was left for others points into memory that may go
    for (auto& [way, box] : clique.letters)
      if (way.first == comm->rank) box.clear();
  --comm->running;
  clique.changed.notify_all();
}

struct Group {
  int depth = 0;
  ncclComm_t comm = nullptr;
  cudaStream_t stream = nullptr;
  std::vector<Call> calls;
};
thread_local Group group;

ncclResult_t add(ncclComm_t comm, cudaStream_t stream, Call call) {
  const Inside inside(comm);
  if (comm->polls_left > 0 || group.depth == 0) ++forbidden;
  group.comm = comm, group.stream = stream;
  group.calls.push_back(call);
  return ncclSuccess;
}

}  // namespace

ncclResult_t ncclGetVersion(int* v) { return *v = version, ncclSuccess; }
ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  std::snprintf(id->internal, sizeof id->internal, "stand-in %d", ++next_id);
  return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t code) { return code == ncclRemoteError ? "remote error (stand-in)" : "an error of the stand-in"; }

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank, ncclConfig_t* config) {
  if (config->blocking != 0) ++forbidden;
  std::shared_ptr<Clique> clique;
  {
    std::lock_guard lock(cliques_mutex);
    auto& known = cliques[id.internal];
    if (!known) known = std::make_shared<Clique>();
    clique = known;
  }
  std::lock_guard lock(clique->mutex);
  clique->ranks = ranks;
  ++clique->joined;
  const auto made = std::make_shared<ncclComm>();
  made->clique = clique, made->rank = rank, made->self = made;
  *comm = made.get();
  ++alive;
  return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* code) {
  const Inside inside(comm);
  std::lock_guard lock(comm->clique->mutex);
  if (lost_rank == comm->rank) return *code = ncclRemoteError, ncclSuccess;
  const bool is_busy = comm->clique->joined < comm->clique->ranks || comm->polls_left-- > 0;
  if (comm->polls_left < 0) comm->polls_left = 0;
  return *code = is_busy ? ncclInProgress : ncclSuccess, ncclSuccess;
}

ncclResult_t ncclGroupStart() { return ++group.depth, ncclSuccess; }
ncclResult_t ncclGroupEnd() {
  if (--group.depth > 0 || !group.comm) return ncclSuccess;
  const auto comm = std::exchange(group.comm, nullptr);
  const Inside inside(comm);
  comm->polls_left = 2;
  // Streams run host functions only: this one waits for the other ranks.
  auto* task = new std::function<void()>([owner = comm->self, calls = std::exchange(group.calls, {})] { run_group(owner.get(), calls); });
  cudaLaunchHostFunc(group.stream, [](void* p) {
    const std::unique_ptr<std::function<void()>> owned(static_cast<std::function<void()>*>(p));
    (*owned)();
  }, task);
  return ncclInProgress;
}

ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  const Inside inside(comm);
  return ncclSuccess;
}
ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  const auto last = std::move(comm->self);
  --alive;
  return ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t comm) {
  if (comm->inside > 0) ++forbidden;
  ++abort_count;
  {
    std::unique_lock lock(comm->clique->mutex);
    comm->is_aborted = true;
    comm->clique->changed.notify_all();
    comm->clique->changed.wait(lock, [&] { return comm->running == 0; });
  }
  return ncclCommDestroy(comm);
}

ncclResult_t ncclAllReduce(const void* from, void* to, size_t count, ncclDataType_t type, ncclRedOp_t, ncclComm_t comm, cudaStream_t stream) {
  return add(comm, stream, {Kind::all_reduce, from, to, count, type, 0});
}
ncclResult_t ncclAllGather(const void* from, void* to, size_t count, ncclDataType_t type, ncclComm_t comm, cudaStream_t stream) {
  return add(comm, stream, {Kind::all_gather, from, to, count, type, 0});
}
ncclResult_t ncclBroadcast(const void* from, void* to, size_t count, ncclDataType_t type, int root, ncclComm_t comm, cudaStream_t stream) {
  return add(comm, stream, {Kind::broadcast, from, to, count, type, root});
}
ncclResult_t ncclSend(const void* from, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, cudaStream_t stream) {
  return add(comm, stream, {Kind::send, from, nullptr, count, type, peer});
}
ncclResult_t ncclRecv(void* to, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, cudaStream_t stream) {
  return add(comm, stream, {Kind::receive, nullptr, to, count, type, peer});
}

namespace ganymede::stand_in {

void lose_peers_of(int rank) { lost_rank = rank; }
void set_version(int v) { version = v; }
void reset() { version = 22800, lost_rank = -1, forbidden = 0, abort_count = 0; }
int forbidden_calls() { return forbidden; }
int aborts() { return abort_count; }
int communicators() { return alive; }

}  // namespace ganymede::stand_in
