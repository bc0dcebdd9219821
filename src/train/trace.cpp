#include "train/trace.hpp"

#include <ATen/ATen.h>

namespace ganymede::train {
namespace {

constexpr std::chrono::duration<double> trace_deadline{120.0};

}  // namespace

Trace::Trace(const std::filesystem::path& file, Session& session, comm::Communicator& communicator, storage::Hdf5Thread& hdf5)
    : session_(session), communicator_(communicator) {
  if (communicator.rank() == 0) {
    writer_ = std::make_unique<storage::StateWriter>(hdf5, file);
    writer_->set("", "format", std::string("ganymede-trace"));
    writer_->set("", "version", int64_t{1});
    writer_->set("", "recipe", print_config(session.config()));
    writer_->set("", "ranks", int64_t{communicator.size()});
  }
  add_weights("initial");
}

void Trace::add_weights(const std::string& group) {
  if (!writer_) return;
  for (const auto& [name, tensor] : session_.capture().tensors)
    if (!name.starts_with("optimizer/")) writer_->add(group + "/" + name, tensor);
}

// Each rank's rows at their places in a global tensor of zeros; the sum is the global batch, bit by bit.
at::Tensor Trace::joined(const at::Tensor& rows, int64_t first_place, const char* what) {
  std::vector<int64_t> shape = rows.sizes().vec();
  shape[0] = session_.plan().global_batch;
  // Integers that are not summed over ranks travel as int64.
  const auto type = at::isIntegralType(rows.scalar_type(), true) ? at::kLong : rows.scalar_type();
  auto all = at::zeros(shape, type);
  all.narrow(0, first_place, rows.size(0)).copy_(rows);
  communicator_.all_reduce_sum(all, what, Deadline::in(trace_deadline), comm::Channel::control);
  return all.to(rows.scalar_type());
}

void Trace::on_gradient(const gan::PhaseRecord& record, const at::Tensor& flat_gradient) {
  const auto& objective = session_.config().objective;
  const bool is_d = record.player == gan::Player::discriminator;
  const int64_t per_iteration = is_d ? objective.d_steps : objective.g_steps;
  const auto group = fmt::format("steps/{:06}/{}/{}/", record.step / per_iteration, is_d ? "d" : "g", record.step % per_iteration);
  auto loss = at::full({}, record.loss, at::kDouble);
  communicator_.all_reduce_sum(loss, "trace loss", Deadline::in(trace_deadline), comm::Channel::control);
  put(group + "loss", loss);
  put(group + "z", joined(record.latents, record.first_place, "trace z"));
  if (is_d) {
    put(group + "real", joined(record.real, record.first_place, "trace real"));
    put(group + "real_index", joined(record.real_index, record.first_place, "trace real_index"));
    if (record.labels.defined()) put(group + "labels", joined(record.labels, record.first_place, "trace labels"));
    put(group + "logit_real", joined(record.logit_real, record.first_place, "trace logit_real"));
    put(group + "logit_fake", joined(record.logit_fake, record.first_place, "trace logit_fake"));
  }
  const auto& flat = session_.flat(record.player);
  for (const auto& slot : flat.slots()) put(group + "grad/" + slot.name, flat.view(flat_gradient, slot));
}

void Trace::finish() {
  add_weights("final");
  if (writer_) writer_->close();
}

}  // namespace ganymede::train
