#include "train/run_folder.hpp"

#include <ATen/Parallel.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <random>
#include <sys/utsname.h>

#include "checkpoint/format.hpp"
#include "core/error.hpp"
#include "core/version.hpp"
#include "storage/files.hpp"
#include "storage/sha256.hpp"
#include "train/agreement.hpp"

namespace ganymede::train {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* token_name = ".token";
constexpr int number_tries = 1000;

int next_number(const fs::path& runs) {
  int next = 0;
  for (const auto& entry : fs::directory_iterator(runs)) {
    const auto name = entry.path().filename().string();
    const auto dash = name.find('-');
    if (dash == std::string::npos || name.find_first_not_of("0123456789") != dash) continue;
    next = std::max(next, std::atoi(name.c_str()) + 1);
  }
  return next;
}

fs::path make_numbered(const fs::path& runs, const std::string& name) {
  std::error_code error;
  fs::create_directories(runs, error);
  if (error) throw storage::write_error(error.value(), "make", runs);
  for (int tries = 0, number = next_number(runs); tries < number_tries; ++tries, ++number) {
    const fs::path folder = runs / fmt::format("{:05}-{}", number, name);
    if (fs::create_directory(folder, error)) return folder;
    if (error) throw storage::write_error(error.value(), "make", folder);
  }
  throw Error(Fault::cannot_write, "no free number for a run in {}", runs.string());
}

// Variables that launchers and OpenMP read; nothing else of the environment is recorded, so no secret is.
Json recorded_environment() {
  Json environment = Json::object();
  for (const char* name : {"OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "OMPI_COMM_WORLD_SIZE", "SLURM_JOB_ID", "SLURM_JOB_NODELIST", "SLURM_NTASKS"})
    if (const char* value = std::getenv(name)) environment[name] = value;
  return environment;
}

std::string provenance(const RunConfig& config, const std::vector<std::string>& argv, const std::string& dataset_sha256, const comm::Communicator& communicator) {
  Json libraries = Json::object();
  for (const auto& [name, version] : library_versions()) libraries[name] = version;
  utsname system{};
  uname(&system);
  const Json record = {{"program", "ganymede"},
                       {"version", program_version()},
                       {"revision", source_revision()},
                       {"executable_sha256", storage::sha256_of_program()},
                       {"argv", argv},
                       {"started", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)))},
                       {"system", fmt::format("{} {} {}", system.sysname, system.release, system.machine)},
                       {"backend", communicator.backend()},
                       {"ranks", communicator.size()},
                       {"hosts", communicator.hosts()},
                       {"threads_per_rank", at::get_num_threads()},
                       {"seed", config.run.seed},
                       {"recipe_sha256", resolved_recipe_sha256(config)},
                       {"dataset_sha256", dataset_sha256},
                       {"libraries", libraries},
                       {"environment", recorded_environment()}};
  return record.dump(2) + "\n";
}

std::string make_token() {
  std::random_device device;  // not a number of the run: only tells this start from any other
  return fmt::format("{:08x}{:08x}", device(), device());
}

// Rank 0 writes a token, every rank must read it: the folder is one for all.
void check_shared(const fs::path& folder, comm::Communicator& communicator) {
  std::string token;
  agree(communicator, "writing to the run folder", [&] {
    if (communicator.rank() != 0) return;
    token = make_token();
    storage::write_file_atomically(folder / token_name, token);
  });
  token = communicator.gather_texts(token, "run folder's token", Deadline::in(std::chrono::seconds(60)))[0];
  agree(communicator, "reading the run folder", [&] {
    std::string seen;
    if (fs::exists(folder / token_name)) seen = storage::read_text(folder / token_name, 4096);
    if (seen != token)
      throw Error(Fault::cannot_write, "rank {} on {} does not see the run folder {} that rank 0 made", communicator.rank(),
                  communicator.hosts()[communicator.rank()], folder.string())
          .remedy("name a folder on a file system that all hosts share with --out");
  });
  if (communicator.rank() == 0) fs::remove(folder / token_name);
}

}  // namespace

std::string resolved_recipe_sha256(const RunConfig& config) { return storage::sha256_text(print_config(config)); }

fs::path make_run_folder(const fs::path& runs, const RunConfig& config, const std::vector<std::string>& argv, const std::string& dataset_sha256,
                         comm::Communicator& communicator) {
  fs::path folder;
  agree(communicator, "making the run folder", [&] {
    if (communicator.rank() == 0) folder = make_numbered(runs, config.run.name);
  });
  folder = communicator.gather_texts(folder.string(), "run folder", Deadline::in(std::chrono::seconds(60)))[0];
  try {
    check_shared(folder, communicator);
    agree(communicator, "filling the run folder", [&] {
      if (communicator.rank() != 0) return;
      for (const char* name : {"log", "samples", checkpoint::folder_name}) fs::create_directory(folder / name);
      storage::write_file_atomically(folder / checkpoint::recipe_name, print_config(config));
      storage::write_file_atomically(folder / "provenance.json", provenance(config, argv, dataset_sha256, communicator));
    });
  } catch (...) {
    std::error_code ignored;
    if (communicator.rank() == 0) fs::remove_all(folder, ignored);
    throw;
  }
  return folder;
}

void reopen_run_folder(const fs::path& run, const RunConfig& config, const std::vector<std::string>& argv, const std::string& dataset_sha256,
                       comm::Communicator& communicator) {
  check_shared(run, communicator);
  agree(communicator, "reopening the run folder", [&] {
    if (communicator.rank() != 0) return;
    storage::remove_stale_pending(run);
    storage::remove_stale_pending(run / checkpoint::folder_name);
    storage::write_file_atomically(run / checkpoint::recipe_name, print_config(config));
    storage::write_file_atomically(run / "provenance.json", provenance(config, argv, dataset_sha256, communicator));
  });
}

}  // namespace ganymede::train
