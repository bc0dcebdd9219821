#include "storage/state_file.hpp"

#include <ATen/ops/_to_copy.h>

#include "core/error.hpp"
#include "storage/files.hpp"
#include "storage/hdf5.hpp"

namespace ganymede::storage {
namespace {

constexpr int max_depth = 16;

at::Tensor to_stored(const at::Tensor& tensor) {
  const auto type = tensor.scalar_type() == at::kBFloat16 ? at::kFloat : tensor.scalar_type();
  return tensor.detach().to(at::kCPU, type).contiguous();
}

void require_plain_groups(const std::string& name) {
  const auto slash = name.rfind('/');
  if (slash != std::string::npos && name.find('.') < slash) throw Error(Fault::bug, "state name '{}': only its last component may hold dots", name);
}

void read_group(const File& file, const std::string& group, int depth, State& state) {
  if (depth > max_depth) throw Error(Fault::bad_data, "{} nests groups more than {} deep", file.path().string(), max_depth).remedy("check that the right file is named");
  auto attributes = file.attributes(group);
  if (!attributes.empty()) state.attributes[group] = std::move(attributes);
  const auto children = file.children(group);
  const std::string prefix = group.empty() ? "" : group + "/";
  for (const auto& name : children.datasets) state.tensors.emplace(prefix + name, file.dataset(prefix + name).read());
  for (const auto& name : children.groups) read_group(file, prefix + name, depth + 1, state);
}

int64_t bytes_of(const State& state) {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : state.tensors) bytes += static_cast<int64_t>(tensor.nbytes());
  return bytes;
}

}  // namespace

void write_state(Hdf5Thread& thread, const std::filesystem::path& path, const State& state) {
  // A full disk is met here, before HDF5 holds data that it cannot put anywhere.
  check_space(path.has_parent_path() ? path.parent_path() : ".", bytes_of(state));
  try {
    StateWriter writer(thread, path);
    for (const auto& [group, values] : state.attributes)
      for (const auto& [name, value] : values) writer.set(group, name, value);
    for (const auto& [name, tensor] : state.tensors) writer.add(name, tensor);
    writer.close();
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
    throw;
  }
}

State read_state(Hdf5Thread& thread, const std::filesystem::path& path) {
  State state;
  thread.run(Priority::read, [&] { read_group(File::open(path), "", 0, state); });
  return state;
}

StateWriter::StateWriter(Hdf5Thread& thread, std::filesystem::path path) : thread_(thread), path_(std::move(path)) {
  thread_.run(Priority::write, [&] { file_ = std::make_unique<File>(File::create(path_)); });
}

StateWriter::~StateWriter() {
  if (file_) thread_.run(Priority::write, [&] { file_.reset(); });
}

void StateWriter::add(const std::string& name, const at::Tensor& tensor) {
  require_plain_groups(name);
  const auto stored = to_stored(tensor);
  thread_.run(Priority::write, [&] { file_->write(name, stored); });
}

void StateWriter::set(const std::string& group, const std::string& name, const State::Value& value) {
  thread_.run(Priority::write, [&] { file_->set_attribute(group, name, value); });
}

void StateWriter::flush() {
  thread_.run(Priority::write, [&] { file_->flush(); });
}

void StateWriter::close() {
  thread_.run(Priority::write, [&] {
    file_->close();
    file_.reset();
  });
  sync_file(path_);
}

}  // namespace ganymede::storage
