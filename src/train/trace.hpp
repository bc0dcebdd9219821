// run.trace = n: everything the first n iterations were fed with and gave, in the order of the global batch, so that anyone can
// replay them elsewhere (our tests do, in PyTorch). Format: trace.h5 of the specification of formats.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "comm/communicator.hpp"
#include "core/state.hpp"
#include "gan/hooks.hpp"
#include "parallel/flat_network.hpp"
#include "storage/state_file.hpp"
#include "train/session.hpp"

namespace ganymede::train {

class Trace final : public gan::PhaseListener {
 public:
  /// Collective calls from here on. Rank 0 writes `file`.
  Trace(const std::filesystem::path& file, Session& session, comm::Communicator& communicator, storage::Hdf5Thread& hdf5);
  void on_gradient(const gan::PhaseRecord& record, const at::Tensor& flat_gradient) override;
  /// After iteration n, settled.
  void finish();

 private:
  void add_weights(const std::string& group);
  at::Tensor joined(const at::Tensor& rows, int64_t first_place, const char* what);
  void put(const std::string& name, const at::Tensor& tensor) {
    if (writer_) writer_->add(name, tensor);
  }
  Session& session_;
  comm::Communicator& communicator_;
  std::unique_ptr<storage::StateWriter> writer_;  // rank 0 only
};

}  // namespace ganymede::train
