#include "train/trace.hpp"

#include <ATen/ATen.h>

#include "train/gather_rows.hpp"

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
  const bool is_d = record.player == gan::Player::discriminator;
  const auto group = fmt::format("steps/{:06}/{}/{}/", record.iteration, is_d ? "d" : "g", record.turn);
  const auto put_sum = [&](const std::string& name, double own) {
    auto value = at::full({}, own, at::kDouble);
    communicator_.all_reduce_sum(value, "trace loss", Deadline::in(trace_deadline), comm::Channel::control);
    put(group + name, value);
  };
  put_sum("loss", record.loss);
  for (const auto& [name, own] : record.terms) put_sum(name, own);
  for (const auto& [name, value] : record.weight_terms) put(group + name, at::full({}, value, at::kDouble));
  const auto put_rows = [&](const char* name, const at::Tensor& rows) {
    if (rows.defined()) put(group + name, joined(rows, record.first_place, name));
  };
  put_rows("z", record.latents);
  put_rows("real", record.real);
  put_rows("real_index", record.real_index);
  put_rows("labels", record.labels);
  put_rows("fake_labels", record.fake_labels);
  put_rows("slots", record.slots);
  // One a row of D's; of packs each rank's come after those of the ranks before.
  const auto put_outputs = [&](const char* name, const at::Tensor& own) {
    if (own.defined()) put(group + name, gather_rows(communicator_, own, "trace outputs", Deadline::in(trace_deadline)));
  };
  if (is_d) put_outputs("logit_real", record.logit_real), put_outputs("logit_fake", record.logit_fake);
  const auto& flat = session_.flat(record.player);
  for (const auto& slot : flat.slots()) put(group + "grad/" + slot.name, flat.view(flat_gradient, slot));
}

void Trace::finish() {
  add_weights("final");
  if (writer_) writer_->close();
}

}  // namespace ganymede::train
