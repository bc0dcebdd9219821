#include "cli/measurement.hpp"

#include <ATen/Parallel.h>
#include <fmt/chrono.h>

#include <cstdio>
#include <cstdlib>

#include "comm/topology.hpp"
#include "core/version.hpp"
#include "storage/files.hpp"

namespace ganymede::cli {

Json measurement(const std::string& bench, const Program& program, const comm::Communicator& communicator) {
  Json environment = Json::object(), libraries = Json::object();
  for (const char* name : {"OMP_NUM_THREADS", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "OMPI_COMM_WORLD_SIZE", "OMPI_MCA_btl", "OMPI_MCA_btl_vader_single_copy_mechanism",
                           "SLURM_JOB_ID", "SLURM_JOB_NODELIST", "SLURM_NTASKS"})
    if (const char* value = std::getenv(name)) environment[name] = value;
  for (const auto& [name, version] : library_versions()) libraries[name] = version;
  const auto now = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
  return {{"schema_version", 1},
          {"bench", bench},
          {"start_time", fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::gmtime(now))},
          {"argv", program.argv},
          {"env", environment},
          {"version", program_version()},
          {"revision", source_revision()},
          {"versions", libraries},
          {"hosts", communicator.hosts()},
          {"ranks", communicator.size()},
          {"backend", communicator.backend()},
          {"threads", at::get_num_threads()},
          {"cores", comm::available_cores()}};
}

void write_json(const std::string& where, const Json& record) {
  if (where != "-") return storage::write_file_atomically(where, record.dump(1) + "\n");
  std::printf("%s\n", record.dump().c_str());
  std::fflush(stdout);
}

}  // namespace ganymede::cli
