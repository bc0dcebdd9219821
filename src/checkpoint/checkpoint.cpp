#include "checkpoint/checkpoint.hpp"

#include <ATen/ops/zeros.h>

#include <bit>
#include <nlohmann/json.hpp>

#include "checkpoint/format.hpp"
#include "config/fields.hpp"
#include "core/log.hpp"
#include "storage/sha256.hpp"
#include "storage/state_file.hpp"

namespace ganymede::checkpoint {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int64_t most_json_bytes = 16 << 20;

Json describe_files(const fs::path& folder) {
  Json files = Json::object();
  for (const char* name : {model_name, recipe_name})
    files[name] = {{"bytes", fs::file_size(folder / name)}, {"sha256", storage::sha256_file(folder / name)}};
  return files;
}

void write_files(const fs::path& folder, const Snapshot& snapshot, storage::Hdf5Thread& hdf5) {
  storage::write_state(hdf5, folder / model_name, snapshot.model);
  storage::write_file_atomically(folder / recipe_name, snapshot.recipe);
  const Counters& c = snapshot.counters;
  Json state = {{"format", format_name}, {"version", version},     {"step", c.step},   {"d_steps", c.d_steps},
                {"g_steps", c.g_steps},  {"images", c.images},     {"ranks", c.ranks}, {"seed", c.seed},
                {"recipe_sha256", c.recipe_sha256},                {"dataset_sha256", c.dataset_sha256},
                {"files", describe_files(folder)}};
  storage::write_file_atomically(folder / state_name, state.dump(2) + "\n");
}

Error damaged(const fs::path& folder, const std::string& what) {
  return Error(Fault::bad_data, "checkpoint {}: {}", folder.string(), what).remedy("resume from an older checkpoint of the run, by its path");
}

Json read_json(const fs::path& folder) {
  try {
    return Json::parse(storage::read_text(folder / state_name, most_json_bytes));
  } catch (const nlohmann::json::exception& error) {
    throw damaged(folder, fmt::format("{} is not readable as JSON ({})", state_name, error.what()));
  }
}

Counters read_counters(const fs::path& folder, const Json& state) {
  try {
    if (state.at("format") != format_name) throw damaged(folder, fmt::format("{} is no checkpoint's", state_name));
    if (state.at("version") != version)
      throw damaged(folder, fmt::format("format version {}; this program reads {}", state.at("version").dump(), version));
    for (const char* counter : {"step", "d_steps", "g_steps", "images", "ranks", "seed"})
      if (!state.at(counter).is_number_unsigned())
        throw damaged(folder, fmt::format("{}: {} is {}, not a whole number from 0 up", state_name, counter, state.at(counter).dump()));
    return {state.at("step"), state.at("d_steps"), state.at("g_steps"), state.at("images"), state.at("ranks"), state.at("seed"),
            state.at("recipe_sha256"), state.at("dataset_sha256")};
  } catch (const nlohmann::json::exception& error) {
    throw damaged(folder, fmt::format("{} lacks an entry ({})", state_name, error.what()));
  }
}

void check_files(const fs::path& folder, const Json& state) {
  for (const char* name : {model_name, recipe_name}) {
    const fs::path file = folder / name;
    if (!state.contains("files") || !state["files"].contains(name)) throw damaged(folder, fmt::format("{} has no hash of {}", state_name, name));
    if (!fs::is_regular_file(file)) throw damaged(folder, fmt::format("{} is missing", name));
    const auto& entry = state["files"][name];
    if (entry.value("bytes", int64_t{-1}) != static_cast<int64_t>(fs::file_size(file)))
      throw damaged(folder, fmt::format("{} has {} bytes, {} says {}", name, fs::file_size(file), state_name, entry.value("bytes", int64_t{-1})));
    if (entry.value("sha256", std::string()) != storage::sha256_file(file)) throw damaged(folder, fmt::format("{} does not have its recorded hash", name));
  }
}

Snapshot load_files(const fs::path& folder, storage::Hdf5Thread& hdf5) {
  if (!fs::is_regular_file(folder / state_name)) throw damaged(folder, fmt::format("{} is missing", state_name));
  const Json state = read_json(folder);
  Snapshot snapshot;
  snapshot.folder = folder;
  snapshot.counters = read_counters(folder, state);
  check_files(folder, state);
  snapshot.model = storage::read_state(hdf5, folder / model_name);
  snapshot.recipe = storage::read_text(folder / recipe_name, most_json_bytes);
  return snapshot;
}

std::vector<fs::path> checkpoints_newest_first(const fs::path& run) {
  std::vector<fs::path> folders;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(run / folder_name, ignored))
    if (entry.path().filename().string().starts_with("step-")) folders.push_back(entry.path());
  std::sort(folders.rbegin(), folders.rend(), [](const fs::path& a, const fs::path& b) {
    const auto x = a.filename().string(), y = b.filename().string();
    return x.size() != y.size() ? x.size() < y.size() : x < y;  // steps beyond six digits
  });
  return folders;
}

}  // namespace

void describe(config::Fields& fields, CheckpointConfig& c) {
  fields.integer("every_steps", c.every_steps, "iterations between checkpoints; 0 = only after the last").at_least(0);
  fields.integer("keep", c.keep, "how many of the newest are kept").at_least(1);
}

Snapshot load(const fs::path& folder, storage::Hdf5Thread& hdf5) {
  try {
    return load_files(folder, hdf5);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {  // entries of another type than they should have, a file that vanishes meanwhile
    throw damaged(folder, fmt::format("it cannot be read ({})", error.what()));
  }
}

Found find(const fs::path& path) {
  if (fs::is_regular_file(path / state_name)) {
    const fs::path above = fs::absolute(path).lexically_normal().parent_path();
    const bool in_run = above.filename() == folder_name && fs::is_regular_file(above.parent_path() / recipe_name);
    return {in_run ? above.parent_path() : fs::path(), path, true};
  }
  if (fs::is_directory(path / folder_name)) {
    if (checkpoints_newest_first(path).empty())
      throw Error(Fault::bad_data, "run {} has no checkpoint yet, so there is nothing to go on from", path.string());
    return {path, {}, false};
  }
  throw Error(Fault::bad_data, "{} is neither a run folder nor a checkpoint", path.string())
      .remedy("name a folder like runs/00000-mnist, or one of its checkpoints/step-… folders");
}

Snapshot load_newest(const Found& found, storage::Hdf5Thread& hdf5, const Check& check) {
  const auto load_checked = [&](const fs::path& folder) {
    auto snapshot = load(folder, hdf5);
    check(snapshot);
    return snapshot;
  };
  if (found.named_checkpoint) return load_checked(found.folder);
  auto folders = checkpoints_newest_first(found.run);
  // LATEST decides; one that is newer was renamed but never announced, and will be written again.
  std::string latest;
  if (fs::is_regular_file(found.run / latest_name)) latest = storage::read_text(found.run / latest_name, 4096);
  while (!latest.empty() && latest.back() == '\n') latest.pop_back();
  const auto announced = std::find_if(folders.begin(), folders.end(), [&](const fs::path& f) { return f.filename() == latest; });
  if (announced != folders.end()) folders.erase(folders.begin(), announced);
  std::optional<Error> first;
  for (const auto& folder : folders) {
    try {
      return load_checked(folder);
    } catch (const Error& error) {
      if (!first) first = error;
      log::warning("{}\n  an older checkpoint is used if there is one", error.what());
    }
  }
  throw *first;
}

Writer::Writer(fs::path run, const CheckpointConfig& config, comm::Communicator& communicator, storage::Hdf5Thread& hdf5)
    : run_(std::move(run)), config_(config), communicator_(communicator), hdf5_(hdf5) {}

Writer::~Writer() {
  if (pending_ && pending_->write.valid()) pending_->write.wait();  // the folder, uncommitted, removes itself
}

void Writer::start(Snapshot snapshot, Deadline deadline) {
  finish(deadline);
  pending_.emplace();
  pending_->step = snapshot.counters.step;
  if (communicator_.rank() != 0) return;
  pending_->write = std::async(std::launch::async, [this, kept = std::move(snapshot)] {
    const fs::path target = run_ / folder_name / step_folder(kept.counters.step);
    fs::remove_all(target);  // a damaged or never announced one of the same step, passed over when the run was resumed
    pending_->folder = std::make_unique<storage::PendingFolder>(target);
    write_files(pending_->folder->path(), kept, hdf5_);
  });
}

void Writer::poll(int64_t step, Deadline deadline) {
  if (!pending_) return;
  // At 1, 2, 4, 8 … iterations after the snapshot: the same on every rank, and never often.
  const int64_t since = step - pending_->step;
  if (since < 1 || !std::has_single_bit(static_cast<uint64_t>(since))) return;
  auto done = at::zeros({1}, at::kLong);
  if (communicator_.rank() != 0 || pending_->write.wait_for(std::chrono::seconds(0)) == std::future_status::ready) done.fill_(1);
  communicator_.all_reduce_sum(done, "checkpoint written?", deadline, comm::Channel::control);
  if (done.item<int64_t>() == communicator_.size()) commit(deadline);
}

void Writer::finish(Deadline deadline) {
  if (pending_) commit(deadline);
}

void Writer::commit(Deadline deadline) {
  communicator_.enter(comm::Section::save);
  std::string failure;
  int64_t code = 0;
  if (communicator_.rank() == 0) {
    try {
      pending_->write.get();
      pending_->folder->commit();
      storage::write_file_atomically(run_ / latest_name, step_folder(pending_->step) + "\n");
      remove_old();
    } catch (const Error& error) {
      failure = error.what();
      code = error.exit_code();
    } catch (const std::exception& error) {
      failure = error.what();
      code = static_cast<int64_t>(Fault::io);
    }
  }
  const int64_t step = pending_->step;
  pending_.reset();
  const auto failures = communicator_.gather_texts(failure.empty() ? "" : fmt::format("{} {}", code, failure), "checkpoint agreement", deadline);
  if (failures[0].empty()) {
    log::debug("checkpoint {} is complete", step);
    return;
  }
  const auto space = failures[0].find(' ');
  throw Error(static_cast<Fault>(std::stoi(failures[0].substr(0, space))), "{}", failures[0].substr(space + 1)).within(fmt::format("saving checkpoint {}", step));
}

// Those beyond the one just announced were damaged or never announced: the run went on from before them.
void Writer::remove_old() {
  const auto folders = checkpoints_newest_first(run_);
  const auto newest = std::find_if(folders.begin(), folders.end(), [&](const fs::path& f) { return f.filename() == step_folder(pending_->step); });
  for (auto folder = folders.begin(); folder != folders.end(); ++folder)
    if (folder < newest || folder - newest >= config_.keep) fs::remove_all(*folder);
}

}  // namespace ganymede::checkpoint
