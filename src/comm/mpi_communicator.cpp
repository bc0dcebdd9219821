#include "comm/mpi_communicator.hpp"

#include <mpi.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "comm/checks.hpp"
#include "comm/engine_communicator.hpp"
#include "comm/topology.hpp"

namespace ganymede::comm {
namespace {

std::string mpi_text(int code) {
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  return std::string(text, length);
}

/// At the start ranks that cannot reach each other are a matter of the launch.
void check_start(int code, const char* call) {
  if (code != MPI_SUCCESS) throw Error(Fault::launch, "{} failed", call).cause("{}", mpi_text(code)).remedy("check that all hosts of the job can reach each other");
}

void check(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  throw Error(Fault::peer, "{} failed", call).cause("{}", mpi_text(code)).remedy("look for a rank or host that died; the job can be resumed from its last checkpoint");
}

class MpiTransport final : public Transport {
 public:
  MpiTransport() {
    // The communication thread is MPI's main thread.
    int provided = MPI_THREAD_SINGLE;
    if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS || provided < MPI_THREAD_FUNNELED)
      throw Error(Fault::launch, "MPI could not be started with support for threads").remedy("use an MPI built with MPI_THREAD_FUNNELED");
    check_start(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    for (MPI_Comm& channel : channels_) {
      check_start(MPI_Comm_dup(MPI_COMM_WORLD, &channel), "MPI_Comm_dup");
      check_start(MPI_Comm_set_errhandler(channel, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    }
    void* limit = nullptr;
    int is_known = 0;
    MPI_Comm_get_attr(channels_[0], MPI_TAG_UB, &limit, &is_known);
    if (is_known) tag_count_ = int64_t{*static_cast<int*>(limit)} + 1;
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int64_t tag_count() const override { return tag_count_; }

  Ticket isend(int peer, Channel channel, int tag, std::span<const std::byte> bytes) override {
    const Ticket slot = free_slot(false);
    check(MPI_Isend(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, peer, tag, of(channel), &requests_[slot]), "MPI_Isend");
    return slot;
  }
  Ticket irecv(int peer, Channel channel, int tag, std::span<std::byte> bytes) override {
    const Ticket slot = free_slot(true);
    check(MPI_Irecv(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, peer == any_peer ? MPI_ANY_SOURCE : peer, tag, of(channel), &requests_[slot]),
          "MPI_Irecv");
    return slot;
  }

  void progress() override {
    const int count = static_cast<int>(requests_.size());
    int done = 0;
    indices_.resize(count);
    statuses_.resize(count);
    const int code = MPI_Testsome(count, requests_.data(), &done, indices_.data(), statuses_.data());
    if (code == MPI_ERR_IN_STATUS) {
      for (int i = 0; i < done; ++i) check(statuses_[i].MPI_ERROR, "a transfer");
    }
    check(code, "MPI_Testsome");
    for (int i = 0; done != MPI_UNDEFINED && i < done; ++i) {
      int bytes = 0;
      MPI_Get_count(&statuses_[i], MPI_BYTE, &bytes);
      done_bytes_[indices_[i]] = bytes == MPI_UNDEFINED ? 0 : bytes;
    }
  }

  std::optional<int64_t> take_if_done(Ticket ticket) override {
    const int64_t bytes = done_bytes_[ticket];
    if (bytes < 0) return std::nullopt;
    done_bytes_[ticket] = -1;
    free_.push_back(ticket);
    return bytes;
  }

  void cancel(Ticket ticket) override {
    // Sends cannot be called back; a receive ends soon, unless its message is already on the way.
    if (requests_[ticket] != MPI_REQUEST_NULL && is_receive_[ticket]) MPI_Cancel(&requests_[ticket]);
  }

  void finalize() override {
    for (MPI_Comm& channel : channels_) MPI_Comm_free(&channel);
    MPI_Finalize();
  }

 private:
  MPI_Comm of(Channel channel) const { return channels_[static_cast<size_t>(channel)]; }
  Ticket free_slot(bool is_receive) {
    if (free_.empty()) {
      free_.push_back(static_cast<Ticket>(requests_.size()));
      requests_.push_back(MPI_REQUEST_NULL);
      done_bytes_.push_back(-1);
      is_receive_.push_back(false);
    }
    const Ticket slot = free_.back();
    free_.pop_back();
    is_receive_[slot] = is_receive;
    return slot;
  }

  int rank_ = 0, size_ = 1;
  int64_t tag_count_ = 32768;  // what the standard promises
  std::array<MPI_Comm, channel_count> channels_{};
  std::vector<MPI_Request> requests_;  // by ticket; MPI_REQUEST_NULL where done or free
  std::vector<int64_t> done_bytes_;    // by ticket; -1 while under way or free
  std::vector<bool> is_receive_;       // by ticket
  std::vector<Ticket> free_;
  std::vector<int> indices_;
  std::vector<MPI_Status> statuses_;
};

// Some library called exit(): the others would wait for this rank until their deadline.
void tell_of_exit(int code, void* engine_of_process) {
  const auto engine = static_cast<std::weak_ptr<Engine>*>(engine_of_process)->lock();
  if (!engine || !engine->is_running()) return;
  const Error error(static_cast<Fault>(code == 0 ? static_cast<int>(Fault::peer) : code), "the process called exit({}) in the middle of the job", code);
  engine->relay_failure(error, host_name());
}

}  // namespace

std::unique_ptr<Communicator> connect_mpi(Deadline deadline) {
  // Copies within a host go through shared memory: 25 MB, 2 ranks: 4.2 GB/s against 3.8 with single copies, which containers
  // often forbid. The user's own setting wins.
  setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);
  const Engine::Guard guard{write_to_standard_error,
                            [](const std::string& report, int code) {
                              write_to_standard_error(report);
                              _exit(code);  // exit() would wait for what hangs
                            },
                            true};
  auto engine = Engine::start([] { return std::make_unique<MpiTransport>(); }, deadline, guard);
  check_launch(launcher_facts(), engine->size());
  on_exit(tell_of_exit, new std::weak_ptr<Engine>(engine));
  return make_communicator(std::move(engine), "mpi", deadline);
}

bool mpi_needs_pmix() {
#ifdef OPEN_MPI
  return true;
#else
  return false;
#endif
}

std::string mpi_version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(text, &length);
  const std::string whole(text, length);
  return whole.substr(0, whole.find_first_of(",\n"));
}

}  // namespace ganymede::comm
