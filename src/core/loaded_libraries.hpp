// The shared libraries that this process really runs with, where versions given at compile time say only what was meant.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace ganymede {

/// Those whose arithmetic or formats a run depends on (LibTorch, OpenMP, BLAS, MPI, HDF5, libm), by file name, sorted, each with its
/// build id (the GNU note), or its size where it has none.
std::vector<std::pair<std::string, std::string>> loaded_libraries();

}  // namespace ganymede
