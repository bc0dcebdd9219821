#include "core/version.hpp"

#include <torch/version.h>

#include <string_view>

#include "version_generated.hpp"

namespace ganymede {

std::string program_version() { return GANYMEDE_VERSION; }

std::string source_revision() { return GANYMEDE_REVISION; }

std::vector<std::pair<std::string, std::string>> library_versions() {
  std::vector<std::pair<std::string, std::string>> all;
  std::string_view rest = GANYMEDE_LIBRARIES;  // "LibTorch 2.13|HDF5 1.10.8|…", from CMake
  while (!rest.empty()) {
    const auto entry = rest.substr(0, rest.find('|'));
    const auto space = entry.find(' ');
    all.emplace_back(entry.substr(0, space), space == std::string_view::npos ? "" : entry.substr(space + 1));
    rest.remove_prefix(std::min(rest.size(), entry.size() + 1));
  }
  all.front().second = TORCH_VERSION;
  return all;
}

}  // namespace ganymede
