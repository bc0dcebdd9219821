// The program's version and those of the libraries it runs with.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace ganymede {

/// Version, and the git revision of the sources if they were a checkout at build time ("unknown" otherwise).
std::string program_version();
std::string source_revision();
/// Libraries by name, as compiled against.
std::vector<std::pair<std::string, std::string>> library_versions();

}  // namespace ganymede
